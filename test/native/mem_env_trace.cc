// Recording what happens to a MemEnv's disk, and doing it again. See mem_env.h and trace.h.
#include "test/native/mem_env.h"

namespace crabkv::test {

void MemEnv::RecordTo(Trace* trace) {
  const std::lock_guard<std::mutex> hold(mutex_);
  trace_ = trace;
}

void MemEnv::Add(TraceStep step) {
  step.wall_ms = wall_ms_;
  trace_->steps.push_back(std::move(step));
}

void MemEnv::Record(TraceStep::Kind kind, const std::string& path, const std::string& to, uint64_t inode) {
  if (trace_ == nullptr) return;
  TraceStep step;
  step.kind = kind;
  step.path = path;
  step.to = to;
  step.inode = inode;
  Add(std::move(step));
}

void MemEnv::RecordFile(TraceStep::Kind kind, uint64_t inode, uint64_t offset, std::string_view data) {
  if (trace_ == nullptr) return;
  TraceStep step;
  step.kind = kind;
  step.inode = inode;
  step.offset = offset;
  step.data = data;
  Add(std::move(step));
}

void MemEnv::NoteInTrace(TraceNote note) {
  const std::lock_guard<std::mutex> hold(mutex_);
  note.step = trace_->steps.size();
  trace_->notes.push_back(note);
}

void MemEnv::RecordPowerCut(uint64_t seed) {
  const std::lock_guard<std::mutex> hold(mutex_);
  TraceStep step;
  step.kind = TraceStep::Kind::kPowerCut;
  step.offset = seed;
  Add(std::move(step));
}

void MemEnv::Replay(const TraceStep& step) {
  using Kind = TraceStep::Kind;
  wall_ms_ = step.wall_ms;
  switch (step.kind) {
    case Kind::kRename:
      CRABKV_ASSERT(Rename(step.path, step.to).ok());
      return;
    case Kind::kLink:
      CRABKV_ASSERT(Link(step.path, step.to).ok());
      return;
    case Kind::kRemove:
      CRABKV_ASSERT(Remove(step.path).ok());
      return;
    case Kind::kSyncDirectory:
      CRABKV_ASSERT(SyncDirectory(step.path).ok());
      return;
    case Kind::kCreateDirectory:
      CRABKV_ASSERT(CreateDirectory(step.path).ok());
      return;
    case Kind::kRemoveDirectory:
      CRABKV_ASSERT(RemoveDirectory(step.path).ok());
      return;
    case Kind::kPowerCut:
      CRABKV_ASSERT(false);
      return;
    default:
      break;
  }
  const std::lock_guard<std::mutex> hold(mutex_);
  std::weak_ptr<MemFile>& known = replayed_[step.inode];
  if (step.kind == Kind::kCreate) {
    const auto file = std::make_shared<MemFile>(step.inode, options_.file_bytes_max);
    known = file;
    std::string directory, name;
    Split(step.path, &directory, &name);
    Change(&directories_.at(directory), {name, file, ""});
    return;
  }
  // One that has no name any more, not even a durable one, is nothing to a disk.
  const std::shared_ptr<MemFile> file = known.lock();
  if (file == nullptr) return;
  if (step.kind == Kind::kWrite) {
    file->Write(step.offset, step.data, ++last_sequence_);
  } else if (step.kind == Kind::kTruncate) {
    file->Truncate(step.offset, ++last_sequence_);
  } else {
    file->Sync();
  }
}

}  // namespace crabkv::test
