// See crash_disks.h.
#include "test/native/crash_disks.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <sstream>
#include <thread>
#include <unordered_set>

#include "native/core/store_impl.h"
#include "test/native/backup_fixture.h"

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
    const uint64_t wall_ms = lives_.trace.steps[step_ - 1].wall_ms;
    return {&contents_[note().life], seed == kKillSeed ? note().acknowledged : note().durable, wall_ms};
  }

  const TraceNote& note() const { return lives_.trace.notes[note_]; }

  std::string Where() const {
    const TraceStep& step = lives_.trace.steps[step_ - 1];
    return "step " + std::to_string(step_) + " of " + std::to_string(lives_.trace.steps.size()) + ", life " +
           std::to_string(note().life) + ", behind: " + step.Describe();
  }

 private:
  const TracedLives& lives_;
  std::unique_ptr<MemEnv> machine_;
  std::deque<KnownContents> contents_;
  uint64_t step_ = 0;
  size_t note_ = 0;
};

std::string TraceFile(const TracedLives& lives) {
  const char* folder = std::getenv("TMPDIR");
  return std::string(folder != nullptr ? folder : "/tmp") + "/crabkv-trace-" + std::to_string(lives.seed) + "-" +
         std::to_string(static_cast<int>(lives.sync));
}

// For a shell.
std::string CommandFor(const std::string& name) {
  return "CRABKV_TEST_CRASH_DISK=\"" + name + "\" " + ProgramPath() + " " + kLookAgainTest;
}

std::string ListFiles(const MemEnv& disk) {
  std::string files;
  for (const std::string& path : disk.AllFiles()) {
    std::string content;
    disk.Content(path, &content);
    files += "  " + path + " " + std::to_string(content.size()) + "\n";
  }
  return files;
}

// Found by several threads.
class WrongDisks {
 public:
  // More say nothing new.
  static constexpr uint64_t kMax = 3;
  void Add(WrongDisk disk) {
    const std::lock_guard<std::mutex> hold(mutex_);
    if (found_.size() < kMax) found_.push_back(std::move(disk));
  }
  std::vector<WrongDisk> Take() { return std::move(found_); }

 private:
  std::mutex mutex_;
  std::vector<WrongDisk> found_;
};

// Looks at where the backup goes. Most disks of a trace differ elsewhere, so each state of it is looked at once.
class BackupChecks {
 public:
  explicit BackupChecks(CrashDiskCounts* counts) : counts_(counts) {}

  // "" or what is wrong. What a backup shows the store must have, too.
  std::string Check(MemEnv* disk, const TraceNote& note, Expected* expected) {
    const auto [at, is_new] = seen_.try_emplace({note.life, disk->FingerprintOf(kBackup)});
    Seen& seen = at->second;
    if (is_new) seen = LookAt(disk, *expected);
    if (!seen.wrong.empty()) return "of the backup, " + seen.wrong;
    if (!seen.is_whole)
      return note.backup == 0 ? "" : "the backup of version " + std::to_string(note.backup) + " is gone";
    if (seen.version < note.backup) return "the backup is an older one than that of " + std::to_string(note.backup);
    expected->at_least = std::max(expected->at_least, seen.version);
    return "";
  }

 private:
  struct Seen {
    std::string wrong;
    bool is_whole = false;
    uint64_t version = 0;
  };

  Seen LookAt(MemEnv* disk, const Expected& expected) {
    Seen seen;
    Options options = SmallOptions();
    options.read_only = true;
    std::shared_ptr<Store> store;
    const Status opened = Store::Open(disk, kBackup, options, &store);
    seen.is_whole = opened.ok();
    if (opened.ok()) {
      seen.wrong = CheckStore(store.get(), {expected.contents, 0, expected.expired_ms}, &seen.version);
      store.reset();
      counts_->backups++;
      if (seen.wrong.empty() && counts_->backups % kOfWholeOnesRestored == 0) {
        seen.wrong = CheckRestoring(disk, expected, seen.version);
      }
    } else {
      // Never a store that has lost its MANIFEST, or anything else that somebody might take for one.
      const Status restored = RestoreTo(disk, kRestored);
      if (!opened.Is(Code::kMissing) && !opened.Is(Code::kCorruption))
        seen.wrong = "it is refused: " + opened.message();
      if (!restored.Is(Code::kMissing)) seen.wrong = "half of one is restored: " + restored.message();
      if (!FilesIn(*disk, kBackup).empty()) counts_->halves++;
    }
    return seen;
  }

  static std::string CheckRestoring(MemEnv* disk, const Expected& expected, uint64_t version) {
    RestoreReport report;
    const Status restored = RestoreTo(disk, kRestored, &report);
    if (!restored.ok()) return "it can't be restored: " + restored.message();
    std::shared_ptr<Store> store;
    const Status opened = Store::Open(disk, kRestored, SmallOptions(), &store);
    if (!opened.ok()) return "what was restored does not open: " + opened.message();
    uint64_t last = 0;
    const std::string wrong = CheckStore(store.get(), {expected.contents, version, expected.expired_ms}, &last);
    if (!wrong.empty()) return "restored, " + wrong;
    return last == version ? "" : "what was restored is longer";
  }

  static constexpr uint64_t kOfWholeOnesRestored = 8;

  CrashDiskCounts* const counts_;
  std::map<std::pair<uint64_t, uint64_t>, Seen> seen_;
};

// A disk that the trace can make, by its step and its seed.
class CrashDisk {
 public:
  CrashDisk(Replay* replay, uint64_t seed) : replay_(*replay), seed_(seed), disk_(replay->Disk(seed, &how_)) {}

  MemEnv* disk() const { return disk_.get(); }
  std::string Where() const { return replay_.Where() + ", " + how_; }

  // "" or what is wrong.
  std::string Check(bool for_writing, BackupChecks* backups) {
    // The clock may stand anywhere after a crash; what the log remembers still counts.
    if (seed_ % 3 == 2) disk_->SetWallMs(MemEnvOptions().wall_ms);
    Expected expected = replay_.ExpectedOf(seed_);
    const std::string wrong = backups->Check(disk_.get(), replay_.note(), &expected);
    if (!wrong.empty()) return wrong;
    uint64_t last = 0;
    if (!for_writing) return CheckForReading(disk_.get(), expected, &last);
    // What the backup shares with the store stays as it is, whatever the opening cuts.
    const uint64_t backup = disk_->FingerprintOf(kBackup);
    const std::string store = CheckForWriting(disk_.get(), expected);
    if (!store.empty()) return store;
    return disk_->FingerprintOf(kBackup) == backup ? "" : "the store's opening changed the backup";
  }

 private:
  Replay& replay_;
  const uint64_t seed_;
  std::string how_;
  const std::unique_ptr<MemEnv> disk_;
};

// What is done at each step; `of` of the steps from the `first` on are left to others.
struct Share {
  uint64_t first = 0;
  uint64_t of = 1;
};

void CheckSteps(const TracedLives& lives, const CrashDiskEffort& effort, Share share, CrashDiskCounts* counts,
                WrongDisks* wrong_disks) {
  Replay replay(lives);
  BackupChecks backups(counts);
  while (counts->failures < WrongDisks::kMax && replay.Next()) {
    if (replay.step() % share.of != share.first) continue;
    Random seeds(lives.seed ^ replay.step());
    std::unordered_set<uint64_t> seen;
    const uint64_t cuts = replay.HasUnsynced() ? 2 + effort.cuts : 1;
    for (uint64_t cut = 0; cut < cuts; cut++) {
      const uint64_t seed = cut < 2 ? cut : seeds.Next() | 2;
      const bool for_writing = seeds.OneIn(effort.for_writing);
      CrashDisk disk(&replay, seed);
      if (!seen.insert(disk.disk()->Fingerprint()).second) continue;
      counts->disks++;
      if (for_writing) counts->rewritten++;
      const std::string wrong = disk.Check(for_writing, &backups);
      if (wrong.empty()) continue;
      counts->failures++;
      wrong_disks->Add({replay.step(), seed, wrong, disk.Where()});
    }
  }
}

}  // namespace

std::vector<WrongDisk> FindWrongDisks(const TracedLives& lives, const CrashDiskEffort& effort,
                                      CrashDiskCounts* counts) {
  const uint64_t workers = std::max(1u, std::thread::hardware_concurrency());
  WrongDisks found;
  std::vector<std::thread> threads;
  for (uint64_t worker = 0; worker < workers; worker++) {
    threads.emplace_back([&, worker] { CheckSteps(lives, effort, {worker, workers}, counts, &found); });
  }
  for (std::thread& thread : threads) thread.join();
  return found.Take();
}

// The trace is in its file before a disk of it is looked at: one at which the program crashes or hangs is found with
// it.
void CheckCrashDisks(const TracedLives& lives, const CrashDiskEffort& effort, CrashDiskCounts* counts) {
  const std::string file = TraceFile(lives);
  const bool saved = EXPECT(lives.Save(file));
  std::vector<WrongDisk> wrong;
  {
    const Context context("a disk of this trace; again, all of them: " + CommandFor(file));
    wrong = FindWrongDisks(lives, effort, counts);
  }
  for (const WrongDisk& disk : wrong) {
    const std::string name = file + " " + std::to_string(disk.step) + " " + std::to_string(disk.seed);
    Fail(__FILE__, __LINE__,
         disk.what + "; sync mode " + std::to_string(static_cast<int>(lives.sync)) + ", " + disk.where +
             "; again: " + CommandFor(name));
  }
  if (saved && wrong.empty()) ::unlink(file.c_str());
}

std::string LookAgain(const std::string& name) {
  std::istringstream words(name);
  std::string file;
  uint64_t step = 0, seed = 0;
  words >> file;
  const bool one = static_cast<bool>(words >> step >> seed);
  TracedLives lives;
  if (!lives.Load(file)) return "there is no trace in " + file;
  CrashDiskCounts counts;
  if (!one) {
    const std::vector<WrongDisk> wrong = FindWrongDisks(lives, CrashDiskEffort(), &counts);
    return wrong.empty() ? "" : wrong.front().what + "; " + wrong.front().where;
  }
  Replay replay(lives);
  while (replay.step() < step && replay.Next()) {
  }
  if (replay.step() != step) return "the trace has fewer steps";
  std::string found;
  for (const bool for_writing : {false, true}) {
    BackupChecks backups(&counts);
    CrashDisk disk(&replay, seed);
    if (!for_writing) std::printf("%s\n%s", disk.Where().c_str(), ListFiles(*disk.disk()).c_str());
    const std::string wrong = disk.Check(for_writing, &backups);
    if (found.empty()) found = wrong;
  }
  return found;
}

}  // namespace crabkv::test
