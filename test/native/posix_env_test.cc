// The POSIX Env on a real file system: what a user sees in messages, who gets the lock, and what a crash of the process
// may not take. (Power cuts on a real file system are test/crash.)
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <limits>

#include "native/core/env.h"
#include "test/native/harness.h"
#include "test/native/in_child.h"
#include "test/native/temp_directory.h"

namespace crabkv::test {
namespace {

bool Contains(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return true;
  std::printf("  \"%s\" does not contain \"%s\"\n", text.c_str(), part.c_str());
  return false;
}

void WriteFile(const std::string& path, const std::string& content) {
  std::unique_ptr<File> file;
  CRABKV_ASSERT(DefaultEnv()->OpenFile(path, OpenMode::kCreate, &file).ok());
  CRABKV_ASSERT(file->WriteAt(0, content).ok());
}

mode_t ModeOf(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) == 0 ? info.st_mode & 0777 : 0;
}

TEST(What_is_written_at_an_offset_is_read_there_and_a_read_stops_at_the_end) {
  TempDirectory directory;
  std::unique_ptr<File> file;
  REQUIRE_OK(DefaultEnv()->OpenFile(directory / "file", OpenMode::kCreate, &file));
  EXPECT_OK(file->WriteAt(3, "abc"));
  EXPECT_OK(file->WriteAt(0, "xyz"));
  EXPECT_OK(file->Sync());
  char bytes[16] = {};
  uint64_t got = 0;
  EXPECT_OK(file->ReadAt(2, sizeof(bytes), bytes, &got));
  EXPECT_EQ(std::string(bytes, got), std::string("zabc"));
  EXPECT_OK(file->ReadAt(100, sizeof(bytes), bytes, &got));
  EXPECT_EQ(got, uint64_t{0});
  EXPECT_OK(file->Truncate(4));
  uint64_t size = 0;
  EXPECT_OK(file->Size(&size));
  EXPECT_EQ(size, uint64_t{4});
}

TEST(Files_and_directories_are_for_their_owner_only) {
  TempDirectory directory;
  WriteFile(directory / "file", "secret");
  EXPECT_OK(DefaultEnv()->CreateDirectory(directory / "made"));
  EXPECT_EQ(ModeOf(directory / "file"), mode_t{0600});
  EXPECT_EQ(ModeOf(directory / "made"), mode_t{0700});
}

TEST(Creating_a_file_that_exists_or_opening_one_that_does_not_names_the_path) {
  TempDirectory directory;
  std::unique_ptr<File> file;
  WriteFile(directory / "there", "kept");
  const Status exists = DefaultEnv()->OpenFile(directory / "there", OpenMode::kCreate, &file);
  EXPECT_CODE(exists, Code::kIo);
  EXPECT_EQ(exists.error_number(), EEXIST);
  for (const OpenMode mode : {OpenMode::kRead, OpenMode::kReadWrite}) {
    const Status missing = DefaultEnv()->OpenFile(directory / "missing", mode, &file);
    EXPECT_EQ(missing.error_number(), ENOENT);
    EXPECT_EQ(missing.path(), directory / "missing");
    EXPECT(Contains(missing.message(), directory / "missing"));
  }
  EXPECT_OK(DefaultEnv()->OpenFile(directory / "there", OpenMode::kRead, &file));
  EXPECT_CODE(file->WriteAt(0, "lost"), Code::kIo);
}

TEST(A_write_that_the_system_cuts_short_is_an_error_and_not_half_a_success) {
  TempDirectory directory;
  std::unique_ptr<File> file;
  REQUIRE_OK(DefaultEnv()->OpenFile(directory / "file", OpenMode::kCreate, &file));
  EXPECT_EQ(InChild([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit = {1000, 1000};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              const Status status = file->WriteAt(900, std::string(200, 'x'));
              return status.error_number() == EFBIG ? 0 : 1;
            }),
            0);
  uint64_t size = 0;
  EXPECT_OK(file->Size(&size));
  EXPECT_EQ(size, uint64_t{1000});
}

#if defined(__linux__)
TEST(A_full_disk_has_a_code_of_its_own) {
  std::unique_ptr<File> file;
  REQUIRE_OK(DefaultEnv()->OpenFile("/dev/full", OpenMode::kReadWrite, &file));
  EXPECT_CODE(file->WriteAt(0, "x"), Code::kDiskFull);
}

TEST(A_file_that_cannot_be_synced_says_so) {
  std::unique_ptr<File> file;
  REQUIRE_OK(DefaultEnv()->OpenFile("/dev/null", OpenMode::kReadWrite, &file));
  EXPECT_EQ(file->Sync().error_number(), EINVAL);
}
#endif

TEST(Directories_are_made_with_their_parents_and_again_without_complaint) {
  TempDirectory directory;
  bool exists = false;
  EXPECT_OK(DefaultEnv()->CreateDirectory(directory / "a//b/c/"));
  EXPECT_OK(DefaultEnv()->Exists(directory / "a/b/c", &exists));
  EXPECT(exists);
  EXPECT_OK(DefaultEnv()->CreateDirectory(directory / "a/b/c"));
  EXPECT_OK(DefaultEnv()->CreateDirectory("/"));
  EXPECT_OK(DefaultEnv()->CreateDirectory("."));
  EXPECT_CODE(DefaultEnv()->CreateDirectory(""), Code::kIo);
}

TEST(A_file_where_a_directory_is_needed_is_named_in_the_message) {
  TempDirectory directory;
  WriteFile(directory / "file", "not a directory");
  std::unique_ptr<File> file;
  std::unique_ptr<DirectoryLock> lock;
  std::vector<std::string> names;
  bool exists = true;
  const std::string reason = directory / "file" + " is a file, not a directory";
  EXPECT(Contains(DefaultEnv()->CreateDirectory(directory / "file").message(), reason));
  EXPECT(Contains(DefaultEnv()->CreateDirectory(directory / "file/below").message(), reason));
  EXPECT(Contains(DefaultEnv()->OpenFile(directory / "file/a", OpenMode::kCreate, &file).message(), reason));
  EXPECT(Contains(DefaultEnv()->LockFile(directory / "file/LOCK", LockMode::kExclusive, &lock).message(), reason));
  EXPECT(Contains(DefaultEnv()->ListDirectory(directory / "file", &names).message(), reason));
  EXPECT(Contains(DefaultEnv()->SyncDirectory(directory / "file").message(), reason));
  EXPECT(Contains(DefaultEnv()->Exists(directory / "file/a", &exists).message(), reason));
}

TEST(A_directory_lists_its_names_sorted_without_the_dots) {
  TempDirectory directory;
  WriteFile(directory / "b", "");
  WriteFile(directory / "a", "");
  EXPECT_OK(DefaultEnv()->CreateDirectory(directory / "c"));
  std::vector<std::string> names = {"old"};
  EXPECT_OK(DefaultEnv()->ListDirectory(directory.path(), &names));
  EXPECT(names == std::vector<std::string>({"a", "b", "c"}));
  EXPECT_EQ(DefaultEnv()->ListDirectory(directory / "missing", &names).error_number(), ENOENT);
}

TEST(A_rename_replaces_its_target_and_a_removed_file_is_gone) {
  TempDirectory directory;
  WriteFile(directory / "new", "new");
  WriteFile(directory / "manifest", "old");
  EXPECT_OK(DefaultEnv()->Rename(directory / "new", directory / "manifest"));
  EXPECT_OK(DefaultEnv()->SyncDirectory(directory.path()));
  std::unique_ptr<File> file;
  REQUIRE_OK(DefaultEnv()->OpenFile(directory / "manifest", OpenMode::kRead, &file));
  char bytes[3];
  uint64_t got = 0;
  EXPECT_OK(file->ReadAt(0, 3, bytes, &got));
  EXPECT_EQ(std::string(bytes, got), std::string("new"));
  EXPECT_OK(DefaultEnv()->Remove(directory / "manifest"));
  bool exists = true;
  EXPECT_OK(DefaultEnv()->Exists(directory / "manifest", &exists));
  EXPECT(!exists);
  EXPECT_EQ(DefaultEnv()->Remove(directory / "manifest").error_number(), ENOENT);
  EXPECT_EQ(DefaultEnv()->Rename(directory / "none", directory / "other").error_number(), ENOENT);
}

TEST(One_directory_has_one_identity_whatever_path_leads_to_it) {
  TempDirectory directory;
  EXPECT_OK(DefaultEnv()->CreateDirectory(directory / "data"));
  CRABKV_ASSERT(::symlink("data", (directory / "link").c_str()) == 0);
  FileId plain, linked, other;
  EXPECT_OK(DefaultEnv()->Identify(directory / "data", &plain));
  EXPECT_OK(DefaultEnv()->Identify(directory / "link", &linked));
  EXPECT_OK(DefaultEnv()->Identify(directory.path(), &other));
  EXPECT(plain == linked);
  EXPECT(!(plain == other));
}

TEST(A_mapping_longer_than_its_file_shows_what_is_written_later) {
  TempDirectory directory;
  std::unique_ptr<File> file;
  std::unique_ptr<Mapping> mapping;
  REQUIRE_OK(DefaultEnv()->OpenFile(directory / "file", OpenMode::kCreate, &file));
  REQUIRE_OK(file->Map(1 << 20, &mapping));
  EXPECT_EQ(mapping->size(), uint64_t{1 << 20});
  EXPECT_OK(file->WriteAt(100000, "later"));
  file.reset();
  EXPECT_EQ(std::string(mapping->data() + 100000, 5), std::string("later"));
}

// --- The lock

TEST(A_second_opener_is_told_which_process_holds_the_directory_and_since_when) {
  TempDirectory directory;
  std::unique_ptr<DirectoryLock> lock;
  REQUIRE_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock));
  const std::string owner = directory.path() + " is in use by process " + std::to_string(::getpid()) + " (started 20";
  for (const LockMode mode : {LockMode::kExclusive, LockMode::kShared}) {
    const auto refused = [&] {
      std::unique_ptr<DirectoryLock> second;
      const Status status = DefaultEnv()->LockFile(directory / "LOCK", mode, &second);
      return status.Is(Code::kLocked) && second == nullptr && Contains(status.message(), owner);
    };
    EXPECT(refused());  // in this process
    EXPECT_EQ(InChild([&] { return refused() ? 0 : 1; }), 0);
  }
  lock.reset();
  EXPECT_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock));
}

TEST(The_start_of_the_owner_is_when_its_process_began) {
  TempDirectory directory;
  std::unique_ptr<DirectoryLock> lock;
  REQUIRE_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock));
  std::unique_ptr<File> file;
  REQUIRE_OK(DefaultEnv()->OpenFile(directory / "LOCK", OpenMode::kRead, &file));
  char line[96] = {};
  uint64_t got = 0;
  EXPECT_OK(file->ReadAt(0, sizeof(line) - 1, line, &got));
  struct tm parts = {};
  const char* const started = std::strstr(line, "started ");
  REQUIRE(started != nullptr);
  REQUIRE(::strptime(started, "started %Y-%m-%dT%H:%M:%SZ", &parts) != nullptr);
  const time_t age = ::time(nullptr) - ::timegm(&parts);
  EXPECT(age >= -2 && age < 3600);
}

TEST(Readers_share_a_directory_and_keep_a_writer_out_without_naming_an_owner_of_old) {
  TempDirectory directory;
  std::unique_ptr<DirectoryLock> first, second, writer;
  EXPECT_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &writer));
  writer.reset();
  EXPECT_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kShared, &first));
  EXPECT_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kShared, &second));
  const Status refused = DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &writer);
  EXPECT_CODE(refused, Code::kLocked);
  EXPECT(Contains(refused.message(), "is open for reading in another process"));
  first.reset();
  second.reset();
  EXPECT_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &writer));
}

TEST(A_killed_owner_leaves_the_directory_free) {
  TempDirectory directory;
  std::unique_ptr<DirectoryLock> lock;
  EXPECT_EQ(InChild([&] {
              if (!DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock).ok()) return 1;
              ::raise(SIGKILL);
              return 2;
            }),
            -1);
  EXPECT_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock));
}

TEST(No_descriptor_of_ours_reaches_a_child_program) {
  constexpr int kDescriptors = 256;
  bool before[kDescriptors];
  for (int fd = 0; fd < kDescriptors; ++fd) before[fd] = ::fcntl(fd, F_GETFD) >= 0;
  TempDirectory directory;
  std::unique_ptr<DirectoryLock> lock;
  std::unique_ptr<File> file;
  EXPECT_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock));
  EXPECT_OK(DefaultEnv()->OpenFile(directory / "file", OpenMode::kCreate, &file));
  int ours = 0;
  for (int fd = 0; fd < kDescriptors; ++fd) {
    const int flags = ::fcntl(fd, F_GETFD);
    if (flags < 0 || before[fd]) continue;
    ++ours;
    EXPECT((flags & FD_CLOEXEC) != 0);
  }
  EXPECT_EQ(ours, 2);
}

TEST(Who_may_only_read_a_directory_may_share_it_and_is_refused_more) {
  TempDirectory directory;
  EXPECT_OK(DefaultEnv()->CreateDirectory(directory / "data"));
  CRABKV_ASSERT(::chmod(directory.path().c_str(), 0755) == 0);
  CRABKV_ASSERT(::chmod((directory / "data").c_str(), 0555) == 0);
  EXPECT_EQ(InChild([&] {
              if (::getuid() == 0 && ::setuid(65534) != 0) return 1;  // root may write anywhere
              std::unique_ptr<DirectoryLock> lock;
              if (!DefaultEnv()->LockFile(directory / "data/LOCK", LockMode::kShared, &lock).ok()) return 2;
              const Status refused = DefaultEnv()->LockFile(directory / "data/LOCK", LockMode::kExclusive, &lock);
              return refused.error_number() == EACCES ? 0 : 3;
            }),
            0);
  bool exists = true;
  EXPECT_OK(DefaultEnv()->Exists(directory / "data/LOCK", &exists));
  EXPECT(!exists);
  // A missing directory is no such case.
  std::unique_ptr<DirectoryLock> lock;
  EXPECT_EQ(DefaultEnv()->LockFile(directory / "none/LOCK", LockMode::kShared, &lock).error_number(), ENOENT);
}

// --- Threads, time and chance

TEST(Our_threads_take_no_signal_meant_for_Node_and_do_take_their_own_faults) {
  sigset_t before, after, inside;
  char name[32] = {};
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  DefaultEnv()
      ->StartThread("crabkv-a-name-too-long",
                    [&] {
                      ::pthread_sigmask(SIG_SETMASK, nullptr, &inside);
                      ::pthread_getname_np(::pthread_self(), name, sizeof(name));
                    })
      .join();
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1, SIGPROF}) {
    EXPECT(sigismember(&inside, number) == 1);
    EXPECT_EQ(sigismember(&after, number), sigismember(&before, number));
  }
  for (const int number : {SIGSEGV, SIGBUS, SIGFPE, SIGILL}) EXPECT(sigismember(&inside, number) == 0);
  EXPECT_EQ(std::string(name), std::string("crabkv-a-name-t"));
}

#if defined(__linux__)
TEST(A_thread_lowers_its_own_priority_and_no_other_one) {
  const int before = ::getpriority(PRIO_PROCESS, 0);
  int inside = 0;
  DefaultEnv()
      ->StartThread("crabkv-low",
                    [&] {
                      DefaultEnv()->LowerThreadPriority();
                      inside = ::getpriority(PRIO_PROCESS, 0);
                    })
      .join();
  constexpr int kLowest = 19;
  EXPECT(inside > before || before == kLowest);
  EXPECT_EQ(::getpriority(PRIO_PROCESS, 0), before);
}
#endif

TEST(A_wait_ends_by_its_timeout_or_by_a_notification_however_long_the_timeout) {
  std::mutex mutex;
  std::condition_variable condition;
  std::unique_lock<std::mutex> lock(mutex);
  const uint64_t start_ns = DefaultEnv()->MonotonicNs();
  while (DefaultEnv()->MonotonicNs() < start_ns + 2'000'000) DefaultEnv()->WaitFor(condition, lock, 1);
  bool done = false;
  std::thread notifier = DefaultEnv()->StartThread("notifier", [&] {
    const std::lock_guard<std::mutex> hold(mutex);
    done = true;
    condition.notify_all();
  });
  while (!done) DefaultEnv()->WaitFor(condition, lock, std::numeric_limits<uint64_t>::max());
  lock.unlock();
  notifier.join();
  EXPECT(done);
}

TEST(The_clocks_run_and_chance_does_not_repeat) {
  Env* const env = DefaultEnv();
  const uint64_t wall_ms = static_cast<uint64_t>(::time(nullptr)) * 1000;
  EXPECT(env->WallMs() + 2000 > wall_ms && env->WallMs() < wall_ms + 3000);
  const uint64_t first_ns = env->MonotonicNs();
  EXPECT(env->MonotonicNs() >= first_ns);
  EXPECT(env->Random64() != env->Random64());
}

TEST(Free_space_is_that_of_the_file_system_and_a_missing_path_is_an_error) {
  TempDirectory directory;
  uint64_t bytes = 0;
  EXPECT_OK(DefaultEnv()->FreeSpace(directory.path(), &bytes));
  EXPECT(bytes > 0);
  EXPECT_EQ(DefaultEnv()->FreeSpace(directory / "none", &bytes).error_number(), ENOENT);
}

}  // namespace
}  // namespace crabkv::test
