// Every call of a store's life, compactions and backups included, fails in turn, once and for ever: whatever fails,
// nothing hangs or crashes, memory shows what was acknowledged and nothing else, a killed process loses nothing
// acknowledged, a power cut nothing that the sync mode promised to keep, and a backup that was told of is there. In CI
// a random part of the calls (of every few, one); all of them with CRABKV_TEST_LONG=1.
#include <algorithm>

#include "test/native/backup_fixture.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

// What a machine has on its disk, and what is known of it.
struct Image {
  std::unique_ptr<MemEnv> env;
  ModelLog log;               // what may be found
  uint64_t acknowledged = 0;  // what must be found when nothing but a process died
  uint64_t durable = 0;       // what must be found after a power cut
  // Of each directory that a backup was tried in, what must be found there; 0 where none is known to have ended.
  std::map<std::string, uint64_t> backups;
};

// A user of the store who notes what he was told.
class Life {
 public:
  Life(Image* image, Env* env, const Options& options)
      : image_(image), env_(env), options_(options), visible_(std::make_unique<ModelLog>(image->log)) {}

  // False when it does not open, for good reasons or bad.
  bool Open() {
    if (!Store::Open(env_, kDirectory, options_, &store_).ok()) return false;
    // What an opening found, it made durable.
    const uint64_t last = store_->Stats().last_version;
    image_->log.CutBehind(last);
    visible_ = std::make_unique<ModelLog>(image_->log);
    if (last < image_->acknowledged) EXPECT_EQ(last, image_->acknowledged);
    image_->acknowledged = image_->durable = last;
    return true;
  }

  void Write(const Changes& changes) {
    Commit commit;
    if (!test::Write(store_.get(), changes, &commit).ok() || commit.group == 0) return;
    image_->log.Add(commit, changes);
    const Status fate = store_->WaitFor(commit.group, false);
    if (fate.ok()) {
      visible_->Add(commit, changes);
      image_->acknowledged = commit.version;
      if (options_.sync == SyncMode::kAlways) image_->durable = commit.version;
    } else if (!fate.Is(Code::kIndeterminate)) {
      image_->log.Drop(commit);
    }
  }

  void Flush() {
    const uint64_t before = image_->acknowledged;
    uint64_t group = 0;
    if (store_->RequestDurable(&group).ok() && store_->WaitFor(group, true).ok()) image_->durable = before;
  }

  // Whether it works out or not, nothing changes for anybody.
  void Compact() {
    if (store_ == nullptr) return;
    const Status ignored = test::Compact(store_.get());
    static_cast<void>(ignored);
  }

  // If it does not work out, the one before is there, or this one.
  void BackUp(const std::string& directory) {
    if (store_ == nullptr) return;
    uint64_t& known = image_->backups[directory];
    BackupReport report;
    if (!test::BackUp(store_.get(), &report, directory).ok()) return;
    known = report.version;
    image_->durable = std::max(image_->durable, known);
  }

  void Close() {
    if (store_ == nullptr) return;
    if (store_->Close().ok()) image_->durable = image_->acknowledged;
    store_.reset();
  }

  // Memory shows what was acknowledged, and nothing else.
  void ExpectVisible() {
    Contents contents;
    if (store_ == nullptr || !EXPECT_OK(ReadAll(store_.get(), &contents))) return;
    const std::string difference = Difference(visible_->At(UINT64_MAX), contents);
    EXPECT_EQ(difference, "the same");
  }

  Store* store() { return store_.get(); }

 private:
  Image* const image_;
  Env* const env_;
  const Options options_;
  std::unique_ptr<ModelLog> visible_;
  std::shared_ptr<Store> store_;
};

std::string Value(int i, size_t bytes) {
  std::string value = "value " + std::to_string(i) + " ";
  return value + std::string(bytes, static_cast<char>('a' + i % 26));
}

Changes ChangesOf(int i) {
  const std::string key = "k" + std::to_string(i * 7 % 23);
  switch (i % 8) {
    case 1:
      return {Delete("k" + std::to_string(i * 5 % 23))};
    case 3:
      return {Put(key, Value(i, 40)), Delete("k1"), Put("", ""), Put("batch", Value(i, 10)),
              Expire(key, 1'900'000'000'000)};
    case 5:
      return {Expire("k" + std::to_string(i * 3 % 23), i % 16 == 5 ? 1'900'000'000'000 : 0)};
    case 6:
      return {Put(key, Value(i, 9000))};
    default:
      return {Put(key, Value(i, 1500), i % 3 == 0 ? 1'800'000'000'000 : 0), Put("last", std::to_string(i))};
  }
}

void Work(Life* life, MemEnv* clock, int from, int to) {
  for (int i = from; i < to; i++) {
    life->Write(ChangesOf(i));
    clock->AdvanceMs(20);
    if (i % 9 == 8) life->Flush();
    if (i % 12 == 11) life->Compact();
    if (i == 17 || i == 113 || i == 209) life->BackUp(kBackup);  // from the second on, only what is new
    if (i == 233) life->BackUp("/other");
  }
}

// A store whose process was killed: three segments, the last write not vouched for, a segment made ahead.
Image KilledStore(SyncMode mode) {
  Image image;
  MemEnv memory;
  Life life(&image, &memory, SmallOptions(mode));
  EXPECT(life.Open());
  Work(&life, &memory, 0, 72);
  image.env = memory.KillProcess();
  life.Close();
  image.durable = image.acknowledged = image.log.last_version();
  return image;
}

// Every backup is what it was, newer, or, if none is known to have ended, perhaps one that does not open; and no newer
// than the store, whose log this is.
void ExpectBackups(MemEnv* env, const Image& image, const ModelLog& log) {
  for (const auto& [directory, at_least] : image.backups) {
    const Context context("the backup in " + directory);
    Contents contents;
    uint64_t version = 0;
    const Status opened = ReadDirectory(env, directory, &contents, &version);
    if (!opened.ok() && at_least == 0) {
      EXPECT(opened.Is(Code::kMissing) || opened.Is(Code::kCorruption));
    } else if (EXPECT_OK(opened)) {
      EXPECT(version >= at_least);
      EXPECT(log.IsEndOfBatch(version));
      EXPECT_EQ(Difference(log.At(version), contents), "the same");
    }
  }
}

// Opens what is left and checks it; then cuts the power of the machine that opened it: what it showed stays.
void ExpectRecovered(std::unique_ptr<MemEnv> env, const Image& image, uint64_t at_least, SyncMode mode,
                     const std::string& how) {
  const Context context(how);
  ModelLog log(image.log);
  auto store = OpenStore(env.get(), SmallOptions(mode));
  if (store == nullptr) return;
  if (!ExpectPrefix(store.get(), &log, at_least)) return;
  ExpectBackups(env.get(), image, log);
  const uint64_t shown = store->Stats().last_version;
  auto after = env->PowerCutKeepNothing();
  EXPECT_OK(store->Close());
  auto again = OpenStore(after.get(), SmallOptions(mode));
  if (again != nullptr) ExpectPrefix(again.get(), &log, shown);
}

std::string FirstFailure(const FaultEnv& env) {
  const std::vector<Call> log = env.log(kAllCalls & ~kLinkCall);  // links may be refused by design
  const auto failed = std::find_if(log.begin(), log.end(), [](const Call& call) { return !call.ok; });
  if (failed == log.end()) return "";
  return ", the first of kind " + std::to_string(failed->kind) + " on " + failed->path;
}

// One life with one fault, and every way to end it. Returns the calls of these kinds that were made.
uint64_t LiveWith(const Image& killed, SyncMode mode, const Fault* fault, uint32_t kinds, std::string what,
                  uint64_t seed) {
  const Context context(what);
  Image image{killed.env->KillProcess(), killed.log, killed.acknowledged, killed.durable, killed.backups};
  FaultEnv env(image.env.get());
  if (mode == SyncMode::kInterval) env.FailNth(1, kLinkCall, EXDEV, true);  // backups copy
  if (fault != nullptr) env.Inject(*fault);
  Life life(&image, &env, SmallOptions(mode));
  bool open = life.Open() || life.Open();
  if (open) {
    Work(&life, image.env.get(), 100, 124);
    life.Close();
    open = life.Open() || life.Open();
    if (open) Work(&life, image.env.get(), 200, 236);
  }
  const uint64_t calls = env.calls(kinds);
  what += FirstFailure(env);
  env.ClearFaults();
  life.ExpectVisible();
  // Still open: what a kill and a power cut leave of it now.
  ExpectRecovered(image.env->KillProcess(), image, image.acknowledged, mode, what + ", killed");
  ExpectRecovered(image.env->PowerCutKeepNothing(), image, image.durable, mode, what + ", power cut");
  ExpectRecovered(image.env->PowerCutKeepRandom(seed), image, image.durable, mode,
                  what + ", power cut, seed " + std::to_string(seed));
  life.Close();
  ExpectRecovered(image.env->PowerCutKeepNothing(), image, image.durable, mode, what + ", closed, power cut");
  return calls;
}

struct Way {
  const char* name;
  uint32_t kinds;
  int error;
  bool forever;
  uint64_t write_prefix;
};

void FailEachCall(SyncMode mode, const Way& way, uint64_t step) {
  const Image killed = KilledStore(mode);
  Random random;
  const uint64_t calls = LiveWith(killed, mode, nullptr, way.kinds, "no fault", random.Next());
  // One at least, however long the steps.
  for (uint64_t n = 1 + random.Below(std::min(step, calls)); n <= calls; n += step) {
    Fault fault;
    fault.nth = n;
    fault.kinds = way.kinds;
    fault.error = way.error;
    fault.forever = way.forever;
    fault.write_prefix = way.write_prefix;
    fault.sync_keeps_seed = random.OneIn(2) ? random.Next() : 0;
    const std::string what =
        std::string(way.name) + ", call " + std::to_string(n) + ", sync mode " + std::to_string(static_cast<int>(mode));
    LiveWith(killed, mode, &fault, way.kinds, what, random.Next());
  }
}

constexpr Way kOnce = {"EIO once", kAllCalls, EIO, false, 0};
constexpr Way kForever = {"EIO for ever", kAllCalls, EIO, true, 0};
constexpr Way kShort = {"short write", kWriteCall, EIO, false, 100};
constexpr Way kShortFull = {"short write, no space", kWriteCall, ENOSPC, false, 700};
constexpr Way kNoSpace = {"no space for ever", kWriteCall | kOpenCall | kRenameCall | kCreateDirectoryCall, ENOSPC,
                          true, 0};
constexpr Way kChangesFail = {"changes fail for ever", kChangingCalls, EIO, true, 0};

TEST(Any_call_may_fail_once_and_nothing_acknowledged_is_lost) {
  FailEachCall(SyncMode::kAlways, kOnce, LongRun() ? 1 : 3 * Stride() * Stride());
  FailEachCall(SyncMode::kInterval, kOnce, LongRun() ? 1 : 6 * Stride() * Stride());
  FailEachCall(SyncMode::kOs, kOnce, LongRun() ? 1 : 6 * Stride() * Stride());
}

TEST(Any_call_may_fail_for_ever_and_nothing_acknowledged_is_lost) {
  FailEachCall(SyncMode::kAlways, kForever, LongRun() ? 1 : 3 * Stride() * Stride());
  FailEachCall(SyncMode::kInterval, kChangesFail, LongRun() ? 1 : 6 * Stride() * Stride());
  FailEachCall(SyncMode::kOs, kForever, LongRun() ? 1 : 6 * Stride() * Stride());
}

TEST(Any_write_may_be_short_or_find_no_space_and_nothing_acknowledged_is_lost) {
  for (const SyncMode mode : {SyncMode::kAlways, SyncMode::kInterval, SyncMode::kOs}) {
    const uint64_t step = LongRun() ? 1 : (mode == SyncMode::kAlways ? 3 : 6) * Stride() * Stride();
    FailEachCall(mode, kShort, 2 * step);
    FailEachCall(mode, kShortFull, 2 * step);
    FailEachCall(mode, kNoSpace, 2 * step);
  }
}

}  // namespace
}  // namespace crabkv::test
