// See posix_lock.h. flock and not fcntl: fcntl locks vanish when *any* descriptor of the file is closed in the process.
#include "native/core/posix_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>
#if defined(__APPLE__)
#include <sys/sysctl.h>
#endif

#include <cerrno>
#include <cstdio>
#include <cstring>

#include "native/core/paths.h"
#include "native/core/posix_file.h"

namespace crabkv {

namespace {

class PosixLock final : public DirectoryLock {
 public:
  PosixLock(Descriptor fd, LockMode mode) : fd_(std::move(fd)), mode_(mode) {}
  ~PosixLock() override {
    if (!fd_.valid()) return;
    // Or else whoever is refused before the next owner has written its line is told this process.
    if (mode_ == LockMode::kExclusive && ::ftruncate(fd_.get(), 0) != 0) errno = 0;
    // Explicitly, and not by close alone: a child between fork and exec still holds the same open file description.
    ::flock(fd_.get(), LOCK_UN);
  }

 private:
  const Descriptor fd_;  // invalid for a shared lock where nobody can write
  const LockMode mode_;
};

bool TryLock(int fd, int operation) {
  int result;
  do {
    result = ::flock(fd, operation | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  return result == 0;
}

bool IsPermission(int error) { return error == EACCES || error == EPERM || error == EROFS; }

#if defined(__linux__)
// Field 22 of /proc/self/stat counts clock ticks from boot; the second field, the name, may itself hold ") ".
bool TicksAtStart(unsigned long long* ticks) {
  const Descriptor fd(OpenDescriptor("/proc/self/stat", O_RDONLY));
  if (!fd.valid()) return false;
  char text[1024];
  const ssize_t length = ::read(fd.get(), text, sizeof(text) - 1);
  if (length <= 0) return false;
  text[length] = '\0';
  const char* field = std::strrchr(text, ')');
  for (int number = 2; field != nullptr && number < 22; ++number) field = std::strchr(field + 1, ' ');
  return field != nullptr && std::sscanf(field, "%llu", ticks) == 1;
}
#endif

// When this process started; when the system does not say, now.
time_t ProcessStart() {
#if defined(__linux__)
  unsigned long long ticks = 0;
  timespec since_boot;
  if (TicksAtStart(&ticks) && ::clock_gettime(CLOCK_BOOTTIME, &since_boot) == 0) {
    const time_t age = since_boot.tv_sec - static_cast<time_t>(ticks / static_cast<unsigned>(::sysconf(_SC_CLK_TCK)));
    return ::time(nullptr) - age;
  }
#elif defined(__APPLE__)
  int name[] = {CTL_KERN, KERN_PROC, KERN_PROC_PID, ::getpid()};
  struct kinfo_proc info;
  size_t size = sizeof(info);
  if (::sysctl(name, 4, &info, &size, nullptr, 0) == 0 && size > 0) return info.kp_proc.p_starttime.tv_sec;
#endif
  return ::time(nullptr);
}

// Best effort: a full disk must not keep a store from opening. Emptied first, so that a failed write leaves no other
// process's pid behind.
void WriteOwner(int fd) {
  const time_t start = ProcessStart();
  struct tm parts;
  char time_text[32] = "unknown";
  if (::gmtime_r(&start, &parts) != nullptr) std::strftime(time_text, sizeof(time_text), "%Y-%m-%dT%H:%M:%SZ", &parts);
  char line[96];
  const int length =
      std::snprintf(line, sizeof(line), "pid %ld started %s\n", static_cast<long>(::getpid()), time_text);
  if (::ftruncate(fd, 0) != 0) return;
  if (::pwrite(fd, line, static_cast<size_t>(length), 0) != length) return;
}

Status Refused(int fd, const std::string& path, LockMode mode) {
  const std::string directory = ParentOf(path);
  // The line tells who owned it exclusively, perhaps long ago; when a shared lock is to be had, the holders are
  // readers.
  if (mode == LockMode::kExclusive && TryLock(fd, LOCK_SH)) {
    ::flock(fd, LOCK_UN);
    return Status::Error(Code::kLocked, directory + " is open for reading in another process");
  }
  char line[96] = {};
  long pid = 0;
  char start[32] = {};
  const ssize_t length = ::pread(fd, line, sizeof(line) - 1, 0);
  if (length > 0 && std::sscanf(line, "pid %ld started %31s", &pid, start) == 2) {
    return Status::Error(Code::kLocked,
                         directory + " is in use by process " + std::to_string(pid) + " (started " + start + ")");
  }
  // The owner has not written its line yet, or could not.
  return Status::Error(Code::kLocked, directory + " is in use by another process");
}

}  // namespace

Status LockPosixFile(const std::string& path, LockMode mode, std::unique_ptr<DirectoryLock>* lock) {
  Descriptor fd(OpenDescriptor(path, O_RDWR | O_CREAT));
  if (!fd.valid() && mode == LockMode::kShared && IsPermission(errno)) {
    fd = Descriptor(OpenDescriptor(path, O_RDONLY));
    if (!fd.valid() && (IsPermission(errno) || errno == ENOENT)) {
      *lock = std::make_unique<PosixLock>(Descriptor(), mode);
      return Status::Ok();
    }
  }
  if (!fd.valid()) return PathError(errno, "open", path);
  if (!TryLock(fd.get(), mode == LockMode::kExclusive ? LOCK_EX : LOCK_SH)) {
    if (errno != EWOULDBLOCK) return Status::FromErrno(errno, "lock", path);
    return Refused(fd.get(), path, mode);
  }
  if (mode == LockMode::kExclusive) WriteOwner(fd.get());
  *lock = std::make_unique<PosixLock>(std::move(fd), mode);
  return Status::Ok();
}

}  // namespace crabkv
