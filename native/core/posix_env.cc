// The Env of Linux and macOS: directories, clocks, randomness and threads; files are in posix_file.cc, the LOCK file in
// posix_lock.cc. Stateless. One instance per process, leaked on purpose: Node runs static destructors under running
// threads when a process exits.
#if defined(_WIN32)
#error "CrabKV needs POSIX (Linux or macOS): there is no Env for Windows"
#endif

#include <dirent.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <pthread/qos.h>
#include <sys/random.h>
#endif

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <limits>

#include "native/core/env.h"
#include "native/core/paths.h"
#include "native/core/posix_file.h"
#include "native/core/posix_lock.h"

namespace crabkv {

namespace {

// Beyond this a condition variable's deadline could overflow. A wait may always end early.
constexpr uint64_t kWaitMsMax = uint64_t{24} * 3600 * 1000;

// A process killed between mkdir and the parent's sync leaves a name that only the page cache has, and the next one to
// come finds it and has nothing to create. So the parent of the deepest directory that exists is synced too. Whoever
// may not read the parent did not make the name.
Status SyncParentOfExisting(const std::string& path) {
  if (path == "/" || path == "." || path == "..") return Status::Ok();
  const Status status = SyncPosixDirectory(ParentOf(path));
  const int error = status.error_number();
  return error == EACCES || error == EPERM || error == EROFS ? Status::Ok() : status;
}

// REQUIRES: `path` has no trailing slash. Recursion is bounded by PATH_MAX: longer paths fail in stat.
Status MakeDirectory(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) == 0) {
    return S_ISDIR(info.st_mode) ? SyncParentOfExisting(path) : PathError(ENOTDIR, "create directory", path);
  }
  if (errno != ENOENT) return PathError(errno, "create directory", path);
  const std::string parent = ParentOf(path);
  CRABKV_RETURN_IF_ERROR(MakeDirectory(parent));
  if (::mkdir(path.c_str(), 0700) != 0) {
    const int error = errno;
    // Another process may have been faster; a link that leads nowhere also says EEXIST, and stays an error.
    const bool is_directory = ::stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode);
    if (error != EEXIST || !is_directory) return PathError(error, "create directory", path);
  }
  return SyncPosixDirectory(parent);
}

class PosixEnv final : public Env {
 public:
  Status OpenFile(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) override {
    return OpenPosixFile(path, mode, file);
  }

  Status ListDirectory(const std::string& path, std::vector<std::string>* names) override {
    names->clear();
    DIR* const directory = ::opendir(path.c_str());
    if (directory == nullptr) return PathError(errno, "list", path);
    errno = 0;  // readdir reports errors by errno alone
    while (const dirent* const entry = ::readdir(directory)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names->emplace_back(name);
      errno = 0;
    }
    const int error = errno;
    ::closedir(directory);
    if (error != 0) return Status::FromErrno(error, "list", path);
    std::sort(names->begin(), names->end());
    return Status::Ok();
  }

  Status CreateDirectory(const std::string& path) override {
    if (path.empty()) return Status::FromErrno(ENOENT, "create directory", path);
    return MakeDirectory(WithoutTrailingSlashes(path));
  }

  Status Exists(const std::string& path, bool* exists) override {
    struct stat info;
    *exists = ::stat(path.c_str(), &info) == 0;
    return *exists || errno == ENOENT ? Status::Ok() : PathError(errno, "stat", path);
  }

  Status Identify(const std::string& path, FileId* id) override {
    struct stat info;
    if (::stat(path.c_str(), &info) != 0) return PathError(errno, "stat", path);
    id->device = static_cast<uint64_t>(info.st_dev);
    id->inode = static_cast<uint64_t>(info.st_ino);
    return Status::Ok();
  }

  Status Rename(const std::string& from, const std::string& to) override {
    return std::rename(from.c_str(), to.c_str()) == 0 ? Status::Ok() : PathError(errno, "rename", from);
  }

  Status Link(const std::string& from, const std::string& to) override {
    return ::link(from.c_str(), to.c_str()) == 0 ? Status::Ok() : PathError(errno, "link", to);
  }

  Status Remove(const std::string& path) override {
    return ::unlink(path.c_str()) == 0 ? Status::Ok() : PathError(errno, "remove", path);
  }

  Status RemoveDirectory(const std::string& path) override {
    return ::rmdir(path.c_str()) == 0 ? Status::Ok() : PathError(errno, "remove directory", path);
  }

  Status SyncDirectory(const std::string& path) override { return SyncPosixDirectory(path); }

  Status FreeSpace(const std::string& path, uint64_t* bytes) override {
    struct statvfs info;
    int result;
    do {
      result = ::statvfs(path.c_str(), &info);
    } while (result != 0 && errno == EINTR);
    if (result != 0) return PathError(errno, "statvfs", path);
    // No blocks at all means no limit (a tmpfs of size 0), not a full disk.
    *bytes = info.f_blocks == 0 ? std::numeric_limits<uint64_t>::max()
                                : static_cast<uint64_t>(info.f_bavail) * static_cast<uint64_t>(info.f_frsize);
    return Status::Ok();
  }

  Status LockFile(const std::string& path, LockMode mode, std::unique_ptr<DirectoryLock>* lock) override {
    return LockPosixFile(path, mode, lock);
  }

  uint64_t WallMs() override {
    timespec now;
    CRABKV_ASSERT(::clock_gettime(CLOCK_REALTIME, &now) == 0);
    return static_cast<uint64_t>(now.tv_sec) * 1000 + static_cast<uint64_t>(now.tv_nsec) / 1000000;
  }

  uint64_t MonotonicNs() override {
    timespec now;
    CRABKV_ASSERT(::clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return static_cast<uint64_t>(now.tv_sec) * 1000000000 + static_cast<uint64_t>(now.tv_nsec);
  }

  uint64_t Random64() override {
    uint64_t value;
    // Fails only where the kernel has no randomness at all; hash seeds and salts must not be guessable.
    CRABKV_ASSERT(::getentropy(&value, sizeof(value)) == 0);
    return value;
  }

  std::thread StartThread(const char* name, std::function<void()> body) override {
    // Node's signal handlers expect Node's threads. The synchronous signals stay: a blocked SIGBUS kills the process
    // before the guard (guarded_read.h) sees it. The new thread inherits the mask, so it never runs with another one.
    sigset_t blocked;
    sigset_t before;
    sigfillset(&blocked);
    for (const int synchronous : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS}) sigdelset(&blocked, synchronous);
    pthread_sigmask(SIG_SETMASK, &blocked, &before);
    std::string short_name(name, std::min<size_t>(std::char_traits<char>::length(name), 15));
    std::thread thread([short_name = std::move(short_name), body = std::move(body)] {
#if defined(__APPLE__)
      pthread_setname_np(short_name.c_str());
#else
      pthread_setname_np(pthread_self(), short_name.c_str());
#endif
      body();
    });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
    return thread;
  }

  void LowerThreadPriority() override {
#if defined(__APPLE__)
    pthread_set_qos_class_self_np(QOS_CLASS_UTILITY, 0);
#else
    // A tenth of the share of a thread that wants the same processor, and all that nobody wants. On Linux this is of
    // the calling thread alone, as setpriority(2) says under "C library/kernel differences".
    constexpr int kNiceLevels = 10;
    setpriority(PRIO_PROCESS, 0, getpriority(PRIO_PROCESS, 0) + kNiceLevels);
#endif
  }

  void WaitFor(std::condition_variable& condition, std::unique_lock<std::mutex>& lock, uint64_t timeout_ms) override {
    condition.wait_for(lock, std::chrono::milliseconds(std::min(timeout_ms, kWaitMsMax)));
  }
};

}  // namespace

Env* DefaultEnv() {
  static Env* const env = new PosixEnv;
  return env;
}

}  // namespace crabkv
