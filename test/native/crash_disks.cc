// See crash_disks.h.
#include "test/native/crash_disks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <thread>
#include <unordered_set>

#include "native/core/store_impl.h"

namespace crabkv::test {

namespace {

// Seeds of a disk with special meanings.
constexpr uint64_t kKillSeed = 0;     // nothing is lost: only the process died
constexpr uint64_t kNothingSeed = 1;  // nothing that was not synced is kept

// Contents that the model says, computed once: many disks end at the same place.
class KnownContents {
 public:
  explicit KnownContents(const ModelLog& log) : log_(log) {}
  const Contents& At(uint64_t version) {
    const auto [at, is_new] = known_.try_emplace(version);
    if (is_new) at->second = log_.At(version);
    return at->second;
  }
  const ModelLog& log() const { return log_; }

 private:
  const ModelLog& log_;
  std::map<uint64_t, Contents> known_;
};

// What a disk must hold.
struct Expected {
  KnownContents* contents;
  uint64_t at_least;    // the log's end
  uint64_t expired_ms;  // keys with deadlines up to here may be gone; later ones may not
};

// "" or what is wrong. An entry that has expired may be shown if the clock went back.
std::string CompareContents(const Contents& all, const Contents& found, uint64_t expired_ms) {
  for (const auto& [key, entry] : found) {
    const auto known = all.find(key);
    if (known == all.end()) return "\"" + key + "\" came back";
    if (!(known->second == entry)) return "\"" + key + "\" is not what was written last";
  }
  for (const auto& [key, entry] : all) {
    const bool expired = entry.expires_at_ms != 0 && entry.expires_at_ms <= expired_ms;
    if (!expired && found.count(key) == 0) return "\"" + key + "\" is missing";
  }
  return "";
}

std::string CheckStore(Store* store, const Expected& expected, uint64_t* last) {
  *last = static_cast<StoreImpl*>(store)->LastVersion();
  const std::string end = "the log ends at " + std::to_string(*last);
  if (*last < expected.at_least) return end + ", before " + std::to_string(expected.at_least);
  if (!expected.contents->log().IsEndOfBatch(*last)) return end + ", where no batch ends";
  Contents found;
  const Status status = ReadAll(store, &found);
  if (!status.ok()) return end + ", it can't be read: " + status.message();
  const std::string wrong = CompareContents(expected.contents->At(*last), found, expected.expired_ms);
  return wrong.empty() ? "" : end + ", " + wrong;
}

std::string CheckForReading(MemEnv* disk, const Expected& expected, uint64_t* last) {
  Options options = SmallOptions();
  options.read_only = true;
  std::shared_ptr<Store> store;
  const Status status = Store::Open(disk, kDirectory, options, &store);
  // Before its first MANIFEST, a store is none.
  if (status.Is(Code::kMissing) && expected.at_least == 0) return "";
  if (!status.ok()) return "it does not open for reading: " + status.message();
  return CheckStore(store.get(), expected, last);
}

// What an opening shows must survive the next power cut.
std::string CheckForWriting(MemEnv* disk, const Expected& expected) {
  std::shared_ptr<Store> store;
  const Status status = Store::Open(disk, kDirectory, SmallOptions(SyncMode::kOs), &store);
  if (!status.ok()) return "it does not open for writing: " + status.message();
  Expected again = expected;
  const std::string wrong = CheckStore(store.get(), expected, &again.at_least);
  if (!wrong.empty()) return "opened for writing, " + wrong;
  const auto after = disk->PowerCutKeepNothing();
  store.reset();
  uint64_t last = 0;
  const std::string later = CheckForReading(after.get(), again, &last);
  if (later.empty() && last != again.at_least) return "after a power cut behind its opening, the log is longer";
  return later.empty() ? "" : "after a power cut behind its opening, " + later;
}

// A machine that goes through a trace, and the disks that it could leave.
class Replay {
 public:
  explicit Replay(const TracedLives& lives) : lives_(lives), machine_(std::make_unique<MemEnv>(TracedMachine())) {
    for (const ModelLog& log : lives.logs) contents_.emplace_back(log);
  }

  uint64_t step() const { return step_; }

  // False at the end.
  bool Next() {
    const auto& steps = lives_.trace.steps;
    if (step_ == steps.size()) return false;
    const TraceStep& step = steps[step_++];
    if (step.kind == TraceStep::Kind::kPowerCut) {
      machine_ = machine_->PowerCutKeepRandom(step.offset);
    } else {
      machine_->Replay(step);
    }
    const auto& notes = lives_.trace.notes;
    while (note_ + 1 < notes.size() && notes[note_ + 1].step <= step_) note_++;
    return true;
  }

  bool HasUnsynced() const { return machine_->HasUnsynced(); }

  std::unique_ptr<MemEnv> Disk(uint64_t seed, std::string* how) const {
    *how = seed == kKillSeed ? "killed" : "nothing unsynced is kept";
    if (seed == kKillSeed) return machine_->KillProcess();
    if (seed == kNothingSeed) return machine_->PowerCutKeepNothing();
    return machine_->PowerCutOfAnyStyle(seed, how);
  }

  Expected ExpectedOf(uint64_t seed) {
    const TraceNote& note = lives_.trace.notes[note_];
    const uint64_t wall_ms = lives_.trace.steps[step_ - 1].wall_ms;
    return {&contents_[note.life], seed == kKillSeed ? note.acknowledged : note.durable, wall_ms};
  }

  std::string Where() const {
    const TraceStep& step = lives_.trace.steps[step_ - 1];
    return "step " + std::to_string(step_) + " of " + std::to_string(lives_.trace.steps.size()) + ", life " +
           std::to_string(lives_.trace.notes[note_].life) + ", behind: " + step.Describe();
  }

 private:
  const TracedLives& lives_;
  std::unique_ptr<MemEnv> machine_;
  std::deque<KnownContents> contents_;
  uint64_t step_ = 0;
  size_t note_ = 0;
};

std::string Check(MemEnv* disk, Expected expected, bool for_writing, uint64_t seed) {
  // The clock may stand anywhere after a crash; what the log remembers still counts.
  if (seed % 3 == 2) disk->SetWallMs(MemEnvOptions().wall_ms);
  uint64_t last = 0;
  return for_writing ? CheckForWriting(disk, expected) : CheckForReading(disk, expected, &last);
}

std::string TraceFile(uint64_t seed, SyncMode sync) {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/crabkv-trace-" + std::to_string(seed) + "-" +
         std::to_string(static_cast<int>(sync));
}

void Report(const TracedLives& lives, const Replay& replay, uint64_t seed, const std::string& how,
            const std::string& wrong) {
  const std::string file = TraceFile(lives.seed, lives.sync);
  const bool saved = lives.Save(file);
  Fail(__FILE__, __LINE__,
       wrong + "; sync mode " + std::to_string(static_cast<int>(lives.sync)) + ", " + replay.Where() + ", " + how +
           (saved ? "; again with CRABKV_TEST_CRASH_DISK=\"" + file + " " + std::to_string(replay.step()) + " " +
                        std::to_string(seed) + "\""
                  : "; its trace could not be saved"));
}

// Of the steps, every `workers`-th.
void CheckSteps(const TracedLives& lives, const CrashDiskEffort& effort, uint64_t worker, uint64_t workers,
                CrashDiskCounts* counts) {
  constexpr uint64_t kFailuresMax = 3;
  Replay replay(lives);
  Random seeds(lives.seed ^ worker);
  while (counts->failures < kFailuresMax && replay.Next()) {
    if (replay.step() % workers != worker) continue;
    std::unordered_set<uint64_t> seen;
    const uint64_t cuts = replay.HasUnsynced() ? 2 + effort.cuts : 1;
    for (uint64_t cut = 0; cut < cuts; cut++) {
      const uint64_t seed = cut < 2 ? cut : seeds.Next() | 2;
      std::string how;
      const auto disk = replay.Disk(seed, &how);
      if (!seen.insert(disk->Fingerprint()).second) continue;
      const bool for_writing = counts->disks++ % effort.for_writing == 0;
      if (for_writing) counts->rewritten++;
      const std::string wrong = Check(disk.get(), replay.ExpectedOf(seed), for_writing, seed);
      if (wrong.empty()) continue;
      if (counts->failures++ < kFailuresMax) Report(lives, replay, seed, how, wrong);
    }
  }
}

}  // namespace

void CheckCrashDisks(const TracedLives& lives, const CrashDiskEffort& effort, CrashDiskCounts* counts) {
  const uint64_t workers = std::max(1u, std::thread::hardware_concurrency());
  std::vector<std::thread> threads;
  for (uint64_t worker = 0; worker < workers; worker++) {
    threads.emplace_back([&, worker] { CheckSteps(lives, effort, worker, workers, counts); });
  }
  for (std::thread& thread : threads) thread.join();
}

void CheckOneCrashDisk(const std::string& name) {
  std::istringstream words(name);
  std::string file;
  uint64_t step = 0, seed = 0;
  words >> file >> step >> seed;
  TracedLives lives;
  REQUIRE(!words.fail() && lives.Load(file));
  Replay replay(lives);
  while (replay.step() < step && replay.Next()) {
  }
  REQUIRE(replay.step() == step);
  for (const bool for_writing : {false, true}) {
    std::string how;
    const auto disk = replay.Disk(seed, &how);
    std::string files;
    for (const std::string& path : disk->AllFiles()) {
      std::string content;
      disk->Content(path, &content);
      files += "  " + path + " " + std::to_string(content.size()) + "\n";
    }
    if (!for_writing) std::printf("%s, %s\n%s", replay.Where().c_str(), how.c_str(), files.c_str());
    EXPECT_EQ(Check(disk.get(), replay.ExpectedOf(seed), for_writing, seed), "");
  }
}

}  // namespace crabkv::test
