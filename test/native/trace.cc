// See trace.h.
#include "test/native/trace.h"

#include "native/core/coding.h"
#include "test/native/harness.h"

namespace crabkv::test {

std::string TraceStep::Describe() const {
  constexpr const char* kNames[] = {"create",           "write",  "truncate",       "sync",
                                    "rename",           "remove", "sync directory", "create directory",
                                    "remove directory", "link",   "power cut"};
  std::string text = kNames[static_cast<size_t>(kind)];
  if (inode != 0) text += " inode " + std::to_string(inode);
  if (!path.empty()) text += " " + path;
  if (!to.empty()) text += " to " + to;
  if (kind == Kind::kWrite) text += " " + std::to_string(data.size()) + " bytes";
  if (kind == Kind::kWrite || kind == Kind::kTruncate) text += " at " + std::to_string(offset);
  return text;
}

void Packer::Number(uint64_t value) {
  char bytes[8];
  PutU64(bytes, value);
  bytes_.append(bytes, sizeof(bytes));
}

void Packer::Text(std::string_view text) {
  Number(text.size());
  bytes_.append(text);
}

uint64_t Unpacker::Number() {
  CRABKV_ASSERT(bytes_.size() >= 8);
  const uint64_t value = GetU64(bytes_.data());
  bytes_.remove_prefix(8);
  return value;
}

std::string Unpacker::Text() {
  const uint64_t length = Number();
  CRABKV_ASSERT(bytes_.size() >= length);
  std::string text(bytes_.substr(0, length));
  bytes_.remove_prefix(length);
  return text;
}

void Pack(const Trace& trace, Packer* to) {
  to->Number(trace.steps.size());
  for (const TraceStep& step : trace.steps) {
    to->Number(static_cast<uint64_t>(step.kind));
    for (const uint64_t number : {step.wall_ms, step.inode, step.offset}) to->Number(number);
    for (const std::string* text : {&step.path, &step.to, &step.data}) to->Text(*text);
  }
  to->Number(trace.notes.size());
  for (const TraceNote& note : trace.notes) {
    for (const uint64_t number : {note.step, note.life, note.acknowledged, note.durable, note.backup}) {
      to->Number(number);
    }
  }
}

void Unpack(Unpacker* from, Trace* trace) {
  trace->steps.resize(from->Number());
  for (TraceStep& step : trace->steps) {
    step.kind = static_cast<TraceStep::Kind>(from->Number());
    for (uint64_t* number : {&step.wall_ms, &step.inode, &step.offset}) *number = from->Number();
    for (std::string* text : {&step.path, &step.to, &step.data}) *text = from->Text();
  }
  trace->notes.resize(from->Number());
  for (TraceNote& note : trace->notes) {
    for (uint64_t* number : {&note.step, &note.life, &note.acknowledged, &note.durable, &note.backup}) {
      *number = from->Number();
    }
  }
}

}  // namespace crabkv::test
