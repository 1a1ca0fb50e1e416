// A store that is closed, one that is open for reading only, and one that has taken its sticky failure: what each call
// of them says, and that none hangs or crashes.
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "test/native/backup_fixture.h"
#include "test/native/compaction_fixture.h"
#include "test/native/fault_env.h"
#include "test/native/harness.h"
#include "test/native/in_child.h"
#include "test/native/store_fixture.h"

namespace crabkv::test {
namespace {

class Listener final : public CommitListener {
 public:
  void OnAcknowledged(uint64_t) override { calls++; }
  void OnDurable(uint64_t) override { calls++; }
  void OnFailed(uint64_t, uint64_t, const Status&) override { calls++; }
  void OnRoom() override { calls++; }
  std::atomic<uint64_t> calls{0};
};

Status RemoveExpired(Store* store) {
  ReadBuffer keys;
  uint32_t removed = 0;
  bool more = false;
  Commit commit;
  return store->RemoveExpired(10, &keys, &removed, &more, &commit);
}

Status WriteOne(Store* store) {
  Commit commit;
  return Write(store, {Put("new", "n")}, &commit);
}

Status PutOne(Store* store) {
  Commit commit;
  return store->Put("new", "n", 0, &commit);
}

// Everything that changes the store, or its files.
void ExpectWritesRefused(Store* store, Code code) {
  EXPECT_CODE(WriteOne(store), code);
  EXPECT_CODE(PutOne(store), code);
  EXPECT_CODE(Compact(store), code);
  EXPECT_CODE(BackUp(store), code);
}

TEST(After_closing_every_call_says_that_the_store_is_closed) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("k", "v")}));
  std::unique_ptr<Scan> scan, feed, unused;
  EXPECT_OK(store->NewScan(ScanOptions(), &scan));
  EXPECT_OK(store->NewFeed(FeedOptions(), &feed));
  EXPECT_OK(store->Close());
  EXPECT_OK(store->Close());
  ExpectWritesRefused(store.get(), Code::kClosed);
  EXPECT_CODE(RemoveExpired(store.get()), Code::kClosed);

  ReadBuffer value;
  EntryInfo info;
  MultiGetResult many;
  const std::string_view key = "k";
  bool flag = false;
  uint32_t count = 0;
  uint64_t number = 0;
  VerifyReport report;
  EXPECT_CODE(store->Get("k", DiskWait::kAllowed, &value, &info), Code::kClosed);
  EXPECT_CODE(store->GetMany(&key, 1, DiskWait::kAllowed, &many), Code::kClosed);
  EXPECT_CODE(store->Has("k", &info), Code::kClosed);
  EXPECT_CODE(store->HasMany(&key, 1, &flag), Code::kClosed);
  EXPECT_CODE(store->NextKeys(0, 10, &value, &count, &number), Code::kClosed);
  EXPECT_CODE(store->NewScan(ScanOptions(), &unused), Code::kClosed);
  EXPECT_CODE(store->NewFeed(FeedOptions(), &unused), Code::kClosed);
  EXPECT_CODE(scan->Next(10, 1000, &value, &count, &flag), Code::kClosed);
  EXPECT_CODE(feed->Next(10, 1000, &value, &count, &flag), Code::kClosed);
  EXPECT_CODE(store->RequestDurable(&number), Code::kClosed);
  EXPECT_CODE(store->MoveSlot(0, 0, 1, &flag), Code::kClosed);
  EXPECT_CODE(store->Submit([] {}), Code::kClosed);
  EXPECT_CODE(store->Verify([](uint64_t) { return true; }, &report), Code::kClosed);
  EXPECT_OK(store->WaitFor(1, true));  // what was acknowledged stays so
  store->Kick();
  store->CancelCompaction(1);
  store->CancelBackup(1);
}

// It would be a wait for ever, so it is a bug that ends the process at once.
TEST(A_group_that_was_never_given_out_is_not_waited_for) {
  MemEnv env;
  auto store = OpenStore(&env, SmallOptions());
  constexpr int kAborted = 3;
  // The open one, which has no record yet, and one that is not there.
  for (const uint64_t group : {1U, 2U}) {
    EXPECT_EQ(InChild([&] {
                std::signal(SIGABRT, [](int) { ::_exit(kAborted); });
                ::alarm(10);
                return store->WaitFor(group, false).ok() ? 0 : 1;
              }),
              kAborted);
  }
  Commit commit;
  EXPECT_OK(Write(store.get(), {Put("k", "v")}, &commit));
  EXPECT_OK(store->WaitFor(commit.group, false));
}

TEST(A_store_that_is_open_for_reading_only_reads_everything_and_changes_nothing) {
  MemEnv env;
  auto writer = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(writer.get(), {Put("k", "v"), Put("dated", "d", env.WallMs() + 10)}));
  EXPECT_OK(writer->Close());
  writer.reset();
  env.AdvanceMs(100);
  std::map<std::string, std::string> before = FilesIn(env, kDirectory);
  Options options = SmallOptions();
  options.read_only = true;
  auto store = OpenStore(&env, options);
  REQUIRE(store != nullptr);
  ExpectWritesRefused(store.get(), Code::kReadOnly);
  EXPECT_CODE(RemoveExpired(store.get()), Code::kReadOnly);
  EXPECT_EQ(Get(store.get(), "k"), "v");
  EXPECT_EQ(Get(store.get(), "dated"), "(none)");
  Listener listener;
  store->AddListener(&listener);
  store->Kick();
  uint64_t group = 1;
  EXPECT_OK(store->RequestDurable(&group));
  EXPECT_EQ(group, 0u);  // all that it shows is durable
  EXPECT_EQ(store->VisibleGroup(), 0u);
  EXPECT_OK(store->WaitFor(7, true));
  store->CancelCompaction(1);
  store->CancelBackup(1);
  EXPECT_OK(store->Failure());
  VerifyReport report;
  EXPECT_OK(store->Verify([](uint64_t) { return true; }, &report));
  EXPECT_EQ(report.fault_count, 0u);
  store->RemoveListener(&listener);
  EXPECT_EQ(listener.calls.load(), 0u);
  EXPECT_OK(store->Close());
  EXPECT(FilesIn(env, kDirectory) == before);
}

TEST(What_a_store_is_opened_for_and_is_not_there_or_is_says_so_and_leaves_nothing) {
  MemEnv env;
  std::shared_ptr<Store> store;
  Options existing = SmallOptions();
  existing.create_if_missing = false;
  Options reading = SmallOptions();
  reading.read_only = true;
  for (const Options& options : {existing, reading}) {
    EXPECT_CODE(Store::Open(&env, kDirectory, options, &store), Code::kMissing);
    EXPECT(env.AllFiles().empty());
  }
  EXPECT_OK(env.CreateDirectory(kDirectory));
  for (const Options& options : {existing, reading}) {
    EXPECT_CODE(Store::Open(&env, kDirectory, options, &store), Code::kMissing);
    EXPECT(env.AllFiles().empty());
  }
  EXPECT_OK(OpenStore(&env, SmallOptions())->Close());
  auto opened = OpenStore(&env, existing);
  REQUIRE(opened != nullptr);
  EXPECT_OK(opened->Close());
  Options fresh = SmallOptions();
  fresh.error_if_exists = true;
  EXPECT_CODE(Store::Open(&env, kDirectory, fresh, &store), Code::kExists);
  // Segments, and no MANIFEST: that was lost, whatever is asked for.
  for (const std::string& name : {std::string("00000007.seg"), std::string("00000007.log")}) {
    MemEnv orphaned;
    EXPECT_OK(orphaned.CreateDirectory(kDirectory));
    orphaned.SetContent(std::string(kDirectory) + "/" + name, "a segment");
    for (const Options& options : {existing, reading, fresh, SmallOptions()}) {
      const Status status = Store::Open(&orphaned, kDirectory, options, &store);
      EXPECT_CODE(status, Code::kCorruption);
      EXPECT(status.message().find(name) != std::string::npos);
    }
  }
  Options wrong = SmallOptions();
  wrong.shard_count = 0;
  EXPECT_CODE(Store::Open(&env, "/elsewhere", wrong, &store), Code::kInvalidArgument);
}

TEST(An_opening_removes_the_half_written_files_of_its_own_kind_and_no_others) {
  MemEnv env;
  EXPECT_OK(OpenStore(&env, SmallOptions())->Close());
  const std::string ours[] = {"MANIFEST.tmp", "00000009.log.tmp", "00000009.seg.tmp", "00000009.log.hint.tmp",
                              "00000009.seg.hint.tmp"};
  const std::string others[] = {"tmp", ".tmp", "x", "notes.tmp", "9.log.tmp", "MANIFEST.tmp.tmp", "00000009.hint.tmp"};
  const auto path = [](const std::string& name) { return std::string(kDirectory) + "/" + name; };
  for (const std::string& name : ours) env.SetContent(path(name), "half");
  for (const std::string& name : others) env.SetContent(path(name), "another's");
  EXPECT_OK(OpenStore(&env, SmallOptions())->Close());
  bool exists = false;
  for (const std::string& name : others) {
    EXPECT_OK(env.Exists(path(name), &exists));
    if (!exists) Fail(__FILE__, __LINE__, name + " is gone");
  }
  for (const std::string& name : ours) {
    EXPECT_OK(env.Exists(path(name), &exists));
    if (exists) Fail(__FILE__, __LINE__, name + " is still there");
  }
}

TEST(Damage_in_what_compaction_has_replaced_and_could_not_remove_keeps_no_store_from_opening) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, ManualOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1"), Put("b", "2")}));
  EXPECT_OK(EndSegment(store.get()));
  env.FailNth(1, kRemoveCall);
  EXPECT_OK(CompactRun(store.get(), 0, 1));
  EXPECT_OK(store->Close());
  store.reset();
  const std::string path = std::string(kDirectory) + "/00000001.log";
  std::string content;
  REQUIRE(memory.Content(path, &content));
  content[50] = static_cast<char>(content[50] ^ 1);
  memory.SetContent(path, content);
  store = OpenStore(&env, ManualOptions());
  REQUIRE(store != nullptr);
  EXPECT_EQ(Get(store.get(), "a"), "1");
  EXPECT(!memory.Content(path, &content));
  EXPECT_OK(store->Close());
}

TEST(After_a_failed_sync_compactions_and_backups_say_that_the_store_takes_no_more) {
  MemEnv memory;
  FaultEnv env(&memory);
  auto store = OpenStore(&env, SmallOptions());
  EXPECT_OK(WriteAndWait(store.get(), {Put("a", "1")}));
  env.FailNth(1, kSyncCall);
  EXPECT_CODE(WriteAndWait(store.get(), {Put("b", "2")}), Code::kIndeterminate);
  ExpectWritesRefused(store.get(), Code::kFailed);
  uint64_t group = 0;
  EXPECT(!store->RequestDurable(&group).ok());
  EXPECT(!store->Failure().ok());
  EXPECT_EQ(Get(store.get(), "a"), "1");
  VerifyReport report;
  EXPECT_OK(store->Verify([](uint64_t) { return true; }, &report));
  EXPECT(!store->Close().ok());
}

}  // namespace
}  // namespace crabkv::test
