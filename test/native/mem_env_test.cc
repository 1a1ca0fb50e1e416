// The in-memory Env: what other tests conclude from it about power loss holds only if it loses what a disk may lose,
// and nothing that a disk must keep.
#include "test/native/mem_env.h"

#include <cerrno>
#include <set>

#include "test/native/harness.h"

namespace crabkv::test {
namespace {

std::unique_ptr<File> Create(Env* env, const std::string& path) {
  std::unique_ptr<File> file;
  CRABKV_ASSERT(env->OpenFile(path, OpenMode::kCreate, &file).ok());
  return file;
}

std::unique_ptr<MemEnv> NewEnv() {
  auto env = std::make_unique<MemEnv>();
  CRABKV_ASSERT(env->CreateDirectory("data").ok());
  return env;
}

// "(none)" when there is no such file.
std::string ContentOf(const MemEnv& env, const std::string& path) {
  std::string content;
  return env.Content(path, &content) ? content : "(none)";
}

void MakeDurable(MemEnv* env, const std::string& path, const std::string& content) {
  const std::unique_ptr<File> file = Create(env, path);
  CRABKV_ASSERT(file->WriteAt(0, content).ok() && file->Sync().ok() && env->SyncDirectory("data").ok());
}

std::unique_ptr<File> OpenAgain(MemEnv* env, const std::string& path) {
  std::unique_ptr<File> file;
  CRABKV_ASSERT(env->OpenFile(path, OpenMode::kReadWrite, &file).ok());
  return file;
}

TEST(What_was_synced_under_a_synced_name_survives_a_power_cut) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", "kept");
  EXPECT_EQ(ContentOf(*env->PowerCutKeepNothing(), "data/a"), std::string("kept"));
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    EXPECT_EQ(ContentOf(*env->PowerCutKeepRandom(seed), "data/a"), std::string("kept"));
  }
}

TEST(What_was_not_synced_is_gone_at_the_worst_power_cut) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", "kept");
  const auto file = OpenAgain(env.get(), "data/a");
  EXPECT_OK(file->WriteAt(2, "lost, and longer"));
  EXPECT_EQ(ContentOf(*env->PowerCutKeepNothing(), "data/a"), std::string("kept"));
  EXPECT_EQ(ContentOf(*env, "data/a"), std::string("kelost, and longer"));
}

TEST(A_synced_file_in_a_directory_that_was_not_synced_is_lost) {
  const auto env = NewEnv();
  const auto file = Create(env.get(), "data/a");
  EXPECT_OK(file->WriteAt(0, "acknowledged too early"));
  EXPECT_OK(file->Sync());
  EXPECT_EQ(ContentOf(*env->PowerCutKeepNothing(), "data/a"), std::string("(none)"));
  EXPECT_OK(env->SyncDirectory("data"));
  EXPECT_EQ(ContentOf(*env->PowerCutKeepNothing(), "data/a"), std::string("acknowledged too early"));
}

TEST(A_synced_name_of_a_file_that_was_not_synced_comes_back_empty) {
  const auto env = NewEnv();
  const auto file = Create(env.get(), "data/a");
  EXPECT_OK(file->WriteAt(0, "never synced"));
  EXPECT_OK(env->SyncDirectory("data"));
  EXPECT_EQ(ContentOf(*env->PowerCutKeepNothing(), "data/a"), std::string());
}

TEST(A_removed_file_comes_back_when_the_directory_was_not_synced) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", "undead");
  EXPECT_OK(env->Remove("data/a"));
  EXPECT_EQ(ContentOf(*env, "data/a"), std::string("(none)"));
  EXPECT_EQ(ContentOf(*env->PowerCutKeepNothing(), "data/a"), std::string("undead"));
  EXPECT_OK(env->SyncDirectory("data"));
  EXPECT_EQ(ContentOf(*env->PowerCutKeepNothing(), "data/a"), std::string("(none)"));
}

TEST(A_rename_over_a_file_shows_the_old_one_or_the_new_one_and_nothing_else) {
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const auto env = NewEnv();
    MakeDurable(env.get(), "data/manifest", "old");
    const auto file = Create(env.get(), "data/new");
    EXPECT_OK(file->WriteAt(0, "new"));
    EXPECT_OK(file->Sync());
    EXPECT_OK(env->Rename("data/new", "data/manifest"));
    const auto after = env->PowerCutKeepRandom(seed);
    seen.insert(ContentOf(*after, "data/manifest"));
    if (ContentOf(*after, "data/manifest") == "new") EXPECT_EQ(ContentOf(*after, "data/new"), std::string("(none)"));
  }
  EXPECT_EQ(seen.size(), size_t{2});
  EXPECT(seen.count("old") == 1 && seen.count("new") == 1);
}

TEST(A_random_power_cut_may_keep_a_later_write_and_lose_an_earlier_one) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", std::string(4096, '.'));
  const auto file = OpenAgain(env.get(), "data/a");
  EXPECT_OK(file->WriteAt(0, std::string(1024, '1')));
  EXPECT_OK(file->WriteAt(2048, std::string(1024, '2')));
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 300; ++seed) {
    const std::string content = ContentOf(*env->PowerCutKeepRandom(seed), "data/a");
    EXPECT_EQ(content, ContentOf(*env->PowerCutKeepRandom(seed), "data/a"));
    EXPECT_EQ(content.size(), size_t{4096});
    std::string sectors;
    for (size_t at = 0; at < content.size(); at += 512) {
      EXPECT(content.substr(at, 512) == std::string(512, content[at]));
      sectors += content[at];
    }
    seen.insert(sectors);
  }
  for (const char* const possible :
       {"........", "11......", "....22..", "11..22..", "1.......", ".1..22..", "....2..."}) {
    EXPECT(seen.count(possible) == 1);
  }
  EXPECT_EQ(seen.size(), size_t{16});  // each of the four sectors, there or not
}

TEST(A_power_cut_of_any_style_keeps_what_was_synced_and_can_keep_each_part_of_the_rest) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", std::string(16, '.'));
  const auto a = OpenAgain(env.get(), "data/a");
  EXPECT_OK(a->WriteAt(16, std::string(16, '1')));
  const auto b = Create(env.get(), "data/b");
  EXPECT_OK(b->WriteAt(0, "2"));
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 4000; ++seed) {
    std::string how;
    const auto after = env->PowerCutOfAnyStyle(seed, &how);
    const std::string content = ContentOf(*after, "data/a");
    EXPECT_EQ(content.substr(0, 16), std::string(16, '.'));
    seen.insert(content.substr(16) + ", " + ContentOf(*after, "data/b"));
  }
  const std::string whole(16, '1');
  const std::string torn = std::string(8, '1');
  for (const std::string& first : {std::string(), whole, torn}) {
    for (const char* second : {"(none)", "", "2"}) EXPECT_EQ(seen.count(first + ", " + second), 1u);
  }
}

TEST(Writes_to_one_sector_reach_the_disk_in_their_order) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", "......");
  const auto file = OpenAgain(env.get(), "data/a");
  EXPECT_OK(file->WriteAt(0, "11"));
  EXPECT_OK(file->WriteAt(2, "22"));
  EXPECT_OK(file->WriteAt(1, "33"));
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 100; ++seed) seen.insert(ContentOf(*env->PowerCutKeepRandom(seed), "data/a"));
  EXPECT(seen == std::set<std::string>({"......", "11....", "1122..", "1332.."}));
}

TEST(A_random_power_cut_may_leave_zeros_where_a_lost_write_made_the_file_longer) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", "kept");
  const auto file = OpenAgain(env.get(), "data/a");
  EXPECT_OK(file->WriteAt(4, "more"));
  std::set<std::string> seen;
  for (uint64_t seed = 1; seed <= 100; ++seed) seen.insert(ContentOf(*env->PowerCutKeepRandom(seed), "data/a"));
  EXPECT(seen == std::set<std::string>({"kept", "keptmore", std::string("kept\0\0\0\0", 8)}));
}

TEST(A_truncation_that_was_not_synced_may_be_undone_but_mixes_nothing_up) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", std::string(1024, 'o'));
  const auto file = OpenAgain(env.get(), "data/a");
  EXPECT_OK(file->Truncate(512));
  EXPECT_OK(file->Truncate(100));
  EXPECT_OK(file->WriteAt(512, std::string(512, 'n')));
  EXPECT_EQ(ContentOf(*env, "data/a"), std::string(100, 'o') + std::string(412, '\0') + std::string(512, 'n'));
  std::set<size_t> sizes;
  for (uint64_t seed = 1; seed <= 200; ++seed) {
    const std::string content = ContentOf(*env->PowerCutKeepRandom(seed), "data/a");
    sizes.insert(content.size());
    EXPECT(content.substr(0, 100) == std::string(100, 'o'));
    // The second sector is old, cleared or new, as a whole.
    if (content.size() == 1024) EXPECT(content.substr(512) == std::string(512, content[512]));
    if (content.size() == 100) EXPECT(content == std::string(100, 'o'));
  }
  EXPECT(sizes == std::set<size_t>({100, 512, 1024}));
}

TEST(A_killed_process_loses_no_byte_but_what_was_not_synced_is_still_not) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", "kept");
  const auto file = OpenAgain(env.get(), "data/a");
  EXPECT_OK(file->WriteAt(0, "only in the page cache"));
  const auto other = Create(env.get(), "data/b");
  const auto killed = env->KillProcess();
  EXPECT_EQ(ContentOf(*killed, "data/a"), std::string("only in the page cache"));
  EXPECT_EQ(ContentOf(*killed, "data/b"), std::string());
  const auto cut = killed->PowerCutKeepNothing();
  EXPECT_EQ(ContentOf(*cut, "data/a"), std::string("kept"));
  EXPECT_EQ(ContentOf(*cut, "data/b"), std::string("(none)"));
  // The next process can make it durable.
  EXPECT_OK(OpenAgain(killed.get(), "data/a")->Sync());
  EXPECT_EQ(ContentOf(*killed->PowerCutKeepNothing(), "data/a"), std::string("only in the page cache"));
}

TEST(What_a_failed_sync_dropped_is_readable_and_stays_lost_whatever_is_synced_later) {
  const auto env = NewEnv();
  MakeDurable(env.get(), "data/a", "....");
  const auto file = OpenAgain(env.get(), "data/a");
  EXPECT_OK(file->WriteAt(0, "ab"));
  env->DropDirty(file.get());
  EXPECT_EQ(ContentOf(*env, "data/a"), std::string("ab.."));
  EXPECT_OK(file->WriteAt(2, "cd"));
  EXPECT_OK(file->Sync());
  EXPECT_EQ(ContentOf(*env, "data/a"), std::string("abcd"));
  EXPECT_EQ(ContentOf(*env->PowerCutKeepNothing(), "data/a"), std::string("..cd"));
  EXPECT_EQ(ContentOf(*env->KillProcess()->PowerCutKeepRandom(7), "data/a"), std::string("..cd"));
}

TEST(A_restart_releases_the_lock_and_a_second_opener_does_not_get_it) {
  const auto env = NewEnv();
  std::unique_ptr<MemEnv> restarted;
  std::unique_ptr<DirectoryLock> lock, second;
  EXPECT_OK(env->LockFile("data/LOCK", LockMode::kExclusive, &lock));
  restarted = env->KillProcess();
  EXPECT_CODE(env->LockFile("./data/LOCK", LockMode::kExclusive, &second), Code::kLocked);
  EXPECT_CODE(env->LockFile("data/LOCK", LockMode::kShared, &second), Code::kLocked);
  EXPECT_OK(restarted->LockFile("data/LOCK", LockMode::kExclusive, &second));
  lock.reset();
  EXPECT_OK(env->LockFile("data/LOCK", LockMode::kShared, &lock));
  std::unique_ptr<DirectoryLock> third, fourth;
  EXPECT_OK(env->LockFile("data/LOCK", LockMode::kShared, &third));
  EXPECT_CODE(env->LockFile("data/LOCK", LockMode::kExclusive, &fourth), Code::kLocked);
}

TEST(A_mapping_follows_writes_beyond_the_length_that_the_file_had) {
  const auto env = NewEnv();
  const auto file = Create(env.get(), "data/a");
  std::unique_ptr<Mapping> mapping;
  REQUIRE_OK(file->Map(1 << 20, &mapping));
  EXPECT_EQ(mapping->data()[1000], '\0');
  EXPECT_OK(file->WriteAt(1000, "x"));
  EXPECT_EQ(mapping->data()[1000], 'x');
  EXPECT_OK(env->Remove("data/a"));
  EXPECT_EQ(mapping->data()[1000], 'x');
}

TEST(Names_behave_as_on_a_real_file_system) {
  const auto env = NewEnv();
  std::unique_ptr<File> file;
  EXPECT_EQ(env->OpenFile("data/a", OpenMode::kRead, &file).error_number(), ENOENT);
  MakeDurable(env.get(), "data/a", "x");
  EXPECT_EQ(env->OpenFile("data/a", OpenMode::kCreate, &file).error_number(), EEXIST);
  EXPECT_EQ(env->OpenFile("data/a/b", OpenMode::kCreate, &file).error_number(), ENOTDIR);
  EXPECT_EQ(env->CreateDirectory("data/a").error_number(), ENOTDIR);
  EXPECT_EQ(env->Remove("data/none").error_number(), ENOENT);
  EXPECT_OK(env->CreateDirectory("data/deep/er"));
  std::vector<std::string> names;
  EXPECT_OK(env->ListDirectory("/data/", &names));
  EXPECT(names == std::vector<std::string>({"a", "deep"}));
  bool exists = true;
  EXPECT_OK(env->Exists("data/none", &exists));
  EXPECT(!exists);
  FileId data, same, other;
  EXPECT_OK(env->Identify("data", &data));
  EXPECT_OK(env->Identify("./data/", &same));
  EXPECT_OK(env->KillProcess()->Identify("data", &other));
  EXPECT(data == same);
  EXPECT(!(data == other));  // another machine, as far as the registry of open stores knows
}

TEST(A_wait_ends_when_the_test_moves_the_clock_and_not_before) {
  MemEnv env;
  std::mutex mutex;
  std::condition_variable condition;
  std::atomic<bool> timed_out{false};
  const uint64_t start_ns = env.MonotonicNs();
  std::thread waiter = env.StartThread("waiter", [&] {
    std::unique_lock<std::mutex> lock(mutex);
    const uint64_t deadline_ns = start_ns + 50'000'000;
    for (uint64_t now_ns; (now_ns = env.MonotonicNs()) < deadline_ns;) {
      env.WaitFor(condition, lock, (deadline_ns - now_ns) / 1'000'000 + 1);
    }
    timed_out = true;
  });
  env.AdvanceMs(40);
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  EXPECT(!timed_out);
  env.AdvanceMs(20);
  waiter.join();
  EXPECT(timed_out);
}

TEST(A_wait_moves_the_clock_itself_when_the_test_asked_for_that) {
  MemEnvOptions options;
  options.auto_advance = true;
  MemEnv env(options);
  std::mutex mutex;
  std::condition_variable condition;
  std::unique_lock<std::mutex> lock(mutex);
  const uint64_t start_ns = env.MonotonicNs();
  env.WaitFor(condition, lock, 3'600'000);
  EXPECT(env.MonotonicNs() >= start_ns + uint64_t{3'600'000} * 1'000'000);
}

TEST(The_same_seed_gives_the_same_randomness) {
  MemEnv first, second;
  EXPECT_EQ(first.Random64(), second.Random64());
  MemEnvOptions options;
  options.seed = 2;
  MemEnv third(options);
  EXPECT(third.Random64() != MemEnv().Random64());
}

}  // namespace
}  // namespace crabkv::test
