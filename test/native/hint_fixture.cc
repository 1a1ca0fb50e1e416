#include "test/native/hint_fixture.h"

#include <algorithm>
#include <sstream>
#include <thread>

#include "native/core/hint_format.h"
#include "test/native/compaction_fixture.h"

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
  *out << index->KeyCount() << " keys, " << index->MeasureSizes().deadlines << " with a deadline\n";
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

Options HintOptions(SyncMode mode) {
  Options options = SmallOptions(mode);
  options.auto_compaction = false;
  options.compaction_io_percent = 100;
  return options;
}

std::string PathOf(const std::string& name) { return std::string(kDirectory) + "/" + name; }

void Work(Store* store, Random* random, int changes, bool compact) {
  for (int i = 0; i < changes; i++) {
    const std::string key = "key:" + std::to_string(random->Below(300));
    const uint64_t deadline = random->OneIn(4) ? 1'800'000'000'000 + random->Below(1'000'000) : 0;
    const uint64_t kind = random->Below(10);
    Changes batch;
    if (kind < 6) batch = {Put(key, random->Bytes(random->Below(900)), deadline)};
    if (kind == 6) batch = {Delete(key), Delete("key:" + std::to_string(random->Below(300)))};
    if (kind == 7) batch = {Expire(key, deadline), Put("other:" + key, std::string(40, 'o'), deadline)};
    if (kind == 8) batch = {Put(key, std::string(200, 'a')), Delete(key), Put(key, std::string(100, 'b'), deadline)};
    if (kind == 9) batch = {Expire(key, deadline), Expire("other:" + key, 0)};
    EXPECT_OK(WriteAndWait(store, batch));
    if (compact && random->OneIn(150)) EXPECT_OK(CompactRun(store, random->Next(), 1 + random->Below(4)));
  }
}

std::unique_ptr<MemEnv> Closed(Random* random, bool compact) {
  MemEnv env;
  auto store = OpenStore(&env, HintOptions());
  if (store == nullptr) return nullptr;
  Work(store.get(), random, 1500, compact);
  EXPECT_OK(store->Close());
  return env.KillProcess();
}

OpenCounts ExpectSame(const MemEnv& env, const std::string& how) {
  const Context context(how);
  auto with = env.KillProcess();
  auto without = env.KillProcess();
  RemoveHints(without.get());
  const Recovered hinted = Recover(with.get());
  const Recovered read = Recover(without.get());
  if (hinted.text != read.text) {
    const auto at = std::mismatch(hinted.text.begin(), hinted.text.end(), read.text.begin(), read.text.end());
    const auto offset = static_cast<size_t>(at.first - hinted.text.begin());
    const size_t from = offset < 60 ? 0 : offset - 60;
    EXPECT_EQ(hinted.text.substr(from, 160), read.text.substr(from, 160));
  }
  EXPECT_EQ(read.counts.hinted_segments, 0u);
  return hinted.counts;
}

void LetHintsBeWritten(MemEnv* env, Store* store) {
  for (int i = 0; i < 400 && store->Stats().hinted_segments + 2 < store->Stats().segments; i++) {
    env->AdvanceMs(120);
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
}

}  // namespace crabkv::test
