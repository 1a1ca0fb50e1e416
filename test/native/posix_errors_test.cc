// What the operating system refuses, and what is done without: limits, permissions, files of the wrong kind, links that
// lead nowhere. With the real error numbers of a real file system.
#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <limits>

#include "native/core/env.h"
#include "test/native/harness.h"
#include "test/native/in_child.h"
#include "test/native/temp_directory.h"

namespace crabkv::test {
namespace {

void MakeFile(const std::string& path, const std::string& content = "") {
  std::unique_ptr<File> file;
  CRABKV_ASSERT(DefaultEnv()->OpenFile(path, OpenMode::kCreate, &file).ok());
  CRABKV_ASSERT(file->WriteAt(0, content).ok());
}

// Root may do everything.
bool BecomeNobody() { return ::getuid() != 0 || ::setuid(65534) == 0; }

void Allow(const std::string& path, mode_t mode) { CRABKV_ASSERT(::chmod(path.c_str(), mode) == 0); }

TEST(A_directory_that_cannot_be_read_or_written_or_mapped_as_a_file_says_why) {
  TempDirectory directory;
  std::unique_ptr<File> file;
  std::unique_ptr<Mapping> mapping;
  char bytes[8];
  uint64_t got = 1;
  REQUIRE_OK(DefaultEnv()->OpenFile(directory.path(), OpenMode::kRead, &file));
  EXPECT_EQ(file->ReadAt(0, sizeof(bytes), bytes, &got).error_number(), EISDIR);
  EXPECT_EQ(got, 0u);
  EXPECT_EQ(file->Map(4096, &mapping).error_number(), ENODEV);
  EXPECT(mapping == nullptr);
  EXPECT_EQ(DefaultEnv()->OpenFile(directory.path(), OpenMode::kReadWrite, &file).error_number(), EISDIR);
}

TEST(A_file_that_may_only_be_read_is_neither_cut_nor_mapped_beyond_all_memory) {
  TempDirectory directory;
  MakeFile(directory / "file", "content");
  std::unique_ptr<File> file;
  std::unique_ptr<Mapping> mapping;
  REQUIRE_OK(DefaultEnv()->OpenFile(directory / "file", OpenMode::kRead, &file));
  const Status cut = file->Truncate(0);
  EXPECT_CODE(cut, Code::kIo);
  EXPECT_EQ(cut.path(), directory / "file");
  EXPECT_EQ(file->Map(uint64_t{1} << 62, &mapping).error_number(), ENOMEM);
  uint64_t links = 0;
  EXPECT_OK(file->Links(&links));
  EXPECT_EQ(links, 1u);
  EXPECT_OK(DefaultEnv()->Link(directory / "file", directory / "second"));
  EXPECT_OK(file->Links(&links));
  EXPECT_EQ(links, 2u);
}

TEST(What_has_a_name_already_is_not_linked_over_and_what_is_not_empty_not_removed) {
  TempDirectory directory;
  Env* const env = DefaultEnv();
  MakeFile(directory / "a");
  MakeFile(directory / "b");
  EXPECT_EQ(env->Link(directory / "a", directory / "b").error_number(), EEXIST);
  EXPECT_EQ(env->Link(directory / "none", directory / "c").error_number(), ENOENT);
  EXPECT_OK(env->CreateDirectory(directory / "full/inner"));
  EXPECT_EQ(env->RemoveDirectory(directory / "full").error_number(), ENOTEMPTY);
  EXPECT_OK(env->RemoveDirectory(directory / "full/inner"));
  EXPECT_OK(env->RemoveDirectory(directory / "full"));
  EXPECT_OK(env->CreateDirectory(directory / "directory"));
  EXPECT_EQ(env->Rename(directory / "directory", directory / "a").error_number(), ENOTDIR);
  FileId id;
  EXPECT_EQ(env->Identify(directory / "none", &id).error_number(), ENOENT);
  uint64_t bytes = 0;
  EXPECT_EQ(env->FreeSpace(directory / "none", &bytes).error_number(), ENOENT);
}

TEST(Links_that_lead_nowhere_or_in_a_circle_are_errors_that_name_the_path) {
  TempDirectory directory;
  Env* const env = DefaultEnv();
  CRABKV_ASSERT(::symlink("nowhere/at/all", (directory / "dangling").c_str()) == 0);
  CRABKV_ASSERT(::symlink("circle", (directory / "circle").c_str()) == 0);
  std::unique_ptr<File> file;
  bool exists = true;
  EXPECT_OK(env->Exists(directory / "dangling", &exists));
  EXPECT(!exists);
  const Status made = env->CreateDirectory(directory / "dangling");
  EXPECT_EQ(made.error_number(), EEXIST);
  EXPECT_EQ(made.path(), directory / "dangling");
  EXPECT_EQ(env->Exists(directory / "circle", &exists).error_number(), ELOOP);
  EXPECT_EQ(env->CreateDirectory(directory / "circle").error_number(), ELOOP);
  EXPECT_EQ(env->OpenFile(directory / "circle", OpenMode::kRead, &file).error_number(), ELOOP);
  EXPECT_EQ(env->SyncDirectory(directory / "circle").error_number(), ELOOP);
}

TEST(Threads_that_make_the_same_directories_at_once_all_succeed) {
  TempDirectory directory;
  for (int round = 0; round < 20; round++) {
    std::atomic<int> failed{0};
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; i++) {
      threads.emplace_back([&] {
        if (!DefaultEnv()->CreateDirectory(directory / std::to_string(round) + "/a/b/c").ok()) failed++;
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(failed.load(), 0);
  }
}

TEST(Relative_paths_are_those_of_the_working_directory) {
  TempDirectory directory;
  EXPECT_EQ(InChild([&] {
              if (::chdir(directory.path().c_str()) != 0) return 1;
              if (!DefaultEnv()->CreateDirectory("data").ok() || !DefaultEnv()->CreateDirectory("data").ok()) return 2;
              if (!DefaultEnv()->CreateDirectory("..").ok()) return 3;
              std::unique_ptr<DirectoryLock> first, second;
              if (!DefaultEnv()->LockFile("LOCK", LockMode::kExclusive, &first).ok()) return 4;
              const Status refused = DefaultEnv()->LockFile("LOCK", LockMode::kExclusive, &second);
              return refused.Is(Code::kLocked) && refused.message().rfind(". is in use by process ", 0) == 0 ? 0 : 5;
            }),
            0);
}

TEST(A_process_without_descriptors_or_with_a_limit_on_files_is_told_so) {
  TempDirectory directory;
  MakeFile(directory / "file", "content");
  EXPECT_EQ(InChild([&] {
              const rlimit none = {0, 0};
              ::setrlimit(RLIMIT_NOFILE, &none);
              std::unique_ptr<File> file;
              std::unique_ptr<DirectoryLock> lock;
              std::vector<std::string> names;
              Env* const env = DefaultEnv();
              if (env->OpenFile(directory / "file", OpenMode::kRead, &file).error_number() != EMFILE) return 1;
              if (env->ListDirectory(directory.path(), &names).error_number() != EMFILE) return 2;
              if (env->SyncDirectory(directory.path()).error_number() != EMFILE) return 3;
              for (const LockMode mode : {LockMode::kExclusive, LockMode::kShared}) {
                if (env->LockFile(directory / "LOCK", mode, &lock).error_number() != EMFILE) return 4;
              }
              return 0;
            }),
            0);
  EXPECT_EQ(InChild([&] {
              std::unique_ptr<File> file;
              if (!DefaultEnv()->OpenFile(directory / "file", OpenMode::kReadWrite, &file).ok()) return 1;
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit = {1000, 1000};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              if (file->Truncate(2000).error_number() != EFBIG) return 2;
              return file->Truncate(500).ok() ? 0 : 3;
            }),
            0);
}

#if defined(__linux__)
TEST(A_file_system_without_limits_or_without_syncs_of_directories_is_used_all_the_same) {
  uint64_t bytes = 0;
  EXPECT_OK(DefaultEnv()->FreeSpace("/proc", &bytes));
  EXPECT_EQ(bytes, std::numeric_limits<uint64_t>::max());
  EXPECT_OK(DefaultEnv()->SyncDirectory("/proc"));
  EXPECT(!DefaultEnv()->CreateDirectory("/proc/crabkv/data").ok());
}
#endif

TEST(A_directory_whose_parent_may_not_be_read_is_used_by_who_finds_it) {
  TempDirectory directory;
  EXPECT_OK(DefaultEnv()->CreateDirectory(directory / "closed/data"));
  Allow(directory.path(), 0755);
  Allow(directory / "closed", 0711);
  EXPECT_EQ(InChild([&] {
              if (!BecomeNobody()) return 1;
              Env* const env = DefaultEnv();
              std::vector<std::string> names;
              bool exists = false;
              if (::getuid() == 65534 && !env->CreateDirectory(directory / "closed/data").ok()) return 2;
              if (::getuid() == 65534 && env->ListDirectory(directory / "closed", &names).error_number() != EACCES)
                return 3;
              if (::getuid() == 65534 && env->CreateDirectory(directory / "closed/other").error_number() != EACCES)
                return 4;
              return env->Exists(directory / "closed/data", &exists).ok() && exists ? 0 : 5;
            }),
            0);
}

// --- LOCK

TEST(Who_may_read_LOCK_but_not_write_it_shares_it_and_keeps_writers_out) {
  TempDirectory directory;
  Allow(directory.path(), 0755);
  std::unique_ptr<DirectoryLock> lock;
  EXPECT_OK(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock));
  Allow(directory / "LOCK", 0444);
  const auto as_nobody = [&](LockMode mode) {
    return InChild([&] {
      if (!BecomeNobody()) return 100;
      std::unique_ptr<DirectoryLock> another;
      return static_cast<int>(DefaultEnv()->LockFile(directory / "LOCK", mode, &another).code());
    });
  };
  EXPECT_EQ(as_nobody(LockMode::kShared), static_cast<int>(Code::kLocked));
  lock.reset();
  EXPECT_EQ(as_nobody(LockMode::kShared), 0);
  EXPECT_EQ(as_nobody(LockMode::kExclusive), static_cast<int>(Code::kIo));
  // Who may not even read it can't hold it; that keeps nobody from reading the store.
  Allow(directory / "LOCK", 0000);
  EXPECT_EQ(as_nobody(LockMode::kShared), 0);
}

TEST(An_owner_who_left_no_line_or_a_broken_one_is_another_process) {
  TempDirectory directory;
  for (const std::string& line : {std::string(), std::string("pid of somebody\n"), std::string("pid 12")}) {
    { std::ofstream(directory / "LOCK") << line; }
    const int fd = ::open((directory / "LOCK").c_str(), O_RDWR | O_CLOEXEC);
    CRABKV_ASSERT(fd >= 0 && ::flock(fd, LOCK_EX) == 0);
    std::unique_ptr<DirectoryLock> lock;
    const Status refused = DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock);
    EXPECT_CODE(refused, Code::kLocked);
    EXPECT_EQ(refused.message(), directory.path() + " is in use by another process");
    ::close(fd);
  }
}

TEST(An_owner_that_cannot_write_its_line_or_look_up_its_start_has_the_lock) {
  TempDirectory directory;
  EXPECT_EQ(InChild([&] {
              ::signal(SIGXFSZ, SIG_IGN);
              const rlimit limit = {0, 0};
              ::setrlimit(RLIMIT_FSIZE, &limit);
              std::unique_ptr<DirectoryLock> lock;
              return DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock).ok() ? 0 : 1;
            }),
            0);
  EXPECT_EQ(InChild([&] {
              const int next = ::dup(0);
              ::close(next);
              const rlimit limit = {static_cast<rlim_t>(next + 1), static_cast<rlim_t>(next + 1)};
              ::setrlimit(RLIMIT_NOFILE, &limit);
              std::unique_ptr<DirectoryLock> lock;
              return DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock).ok() ? 0 : 1;
            }),
            0);
}

TEST(What_is_no_file_is_no_LOCK) {
  TempDirectory directory;
  EXPECT_OK(DefaultEnv()->CreateDirectory(directory / "LOCK"));
  std::unique_ptr<DirectoryLock> lock;
  EXPECT_EQ(DefaultEnv()->LockFile(directory / "LOCK", LockMode::kExclusive, &lock).error_number(), EISDIR);
}

}  // namespace
}  // namespace crabkv::test
