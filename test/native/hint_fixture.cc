#include "test/native/hint_fixture.h"

#include <sstream>

#include "native/core/hint_format.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {

namespace {
void AppendIndex(Index* index, std::ostringstream* out) {
  for (uint32_t slot = 0; slot < kSlotCount; slot++) {
    const SlotTable& table = index->slot(static_cast<uint16_t>(slot));
    table.locations.ForEach([&](const Fingerprint& fingerprint, uint64_t bits) {
      Location location;
      location.bits = bits;
      *out << slot << ' ' << fingerprint.high << '.' << fingerprint.middle << '.' << fingerprint.low << ' ' << bits
           << ' ' << table.DeadlineOf(fingerprint, location) << '\n';
    });
  }
  *out << index->KeyCount() << " keys, " << index->DeadlineCount() << " with a deadline\n";
}

void AppendSegment(const Segment& segment, std::ostringstream* out) {
  const SealPayload& counts = segment.counts;
  *out << segment.path << ' ' << segment.written.load() << ' ' << segment.last_lsn.load() << " live "
       << segment.live_bytes.load() << ": " << counts.puts << ' ' << counts.deletes << ' ' << counts.expires << ' '
       << counts.live_bytes << ' ' << counts.tombstone_bytes << ' ' << counts.expire_bytes << ' ' << counts.first_lsn
       << ' ' << counts.last_lsn << ' ' << (segment.compacted == nullptr ? 0 : segment.compacted->horizon) << '\n';
}
}  // namespace

Recovered Recover(Env* env) {
  Recovered recovered;
  ManifestState manifest;
  Options options = SmallOptions();
  options.read_only = true;
  SegmentTable segments;
  Index index(4, {}, &segments);
  RecoveryResult result;
  Status status = Manifest::Load(env, kDirectory, &manifest);
  if (status.ok()) status = Recovery(env, kDirectory, options, &segments, &index).Run(&manifest, &result);
  recovered.text = status.message();
  recovered.counts = result.counts;
  if (!status.ok()) return recovered;
  std::ostringstream out;
  AppendIndex(&index, &out);
  segments.ForEach([&](Segment* segment) { AppendSegment(*segment, &out); });
  out << "clock " << result.clock_ms << ", next LSN " << result.log.next_lsn << ", durable " << result.log.durable_lsn
      << (result.clean ? ", clean" : "") << '\n';
  recovered.text = out.str();
  return recovered;
}

std::vector<std::string> HintNames(const MemEnv& env) {
  std::vector<std::string> names;
  for (const std::string& path : env.AllFiles()) {
    const std::string name = path.substr(path.rfind('/') + 1);
    SegmentKind kind;
    uint64_t number = 0;
    if (ParseHintFileName(name, &kind, &number)) names.push_back(name);
  }
  return names;
}

void RemoveHints(MemEnv* env) {
  for (const std::string& name : HintNames(*env)) EXPECT_OK(env->Remove(std::string(kDirectory) + "/" + name));
}

}  // namespace crabkv::test
