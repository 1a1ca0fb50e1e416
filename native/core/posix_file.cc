// See posix_file.h.
#include "native/core/posix_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace crabkv {

namespace {

// Linux moves at most 0x7ffff000 bytes a call, and macOS refuses more than INT_MAX.
constexpr uint64_t kTransferBytesMax = uint64_t{1} << 30;

class PosixMapping final : public Mapping {
 public:
  PosixMapping(const char* data, uint64_t size) {
    data_ = data;
    size_ = size;
  }
  ~PosixMapping() override { ::munmap(const_cast<char*>(data_), size_); }
};

// Returns 0 or an errno. EINTR is a failure like any other: what the kernel did with the dirty pages is unknown, and a
// second call would report the first one's error as success.
int SyncDescriptor(int fd) {
#if defined(__APPLE__)
  // fsync there stops at the drive's cache; only file systems without F_FULLFSYNC fall back to it.
  if (::fcntl(fd, F_FULLFSYNC) == 0) return 0;
  if (errno != ENOTSUP && errno != EINVAL && errno != ENOTTY) return errno;
  return ::fsync(fd) == 0 ? 0 : errno;
#else
  return ::fdatasync(fd) == 0 ? 0 : errno;
#endif
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}

  Status WriteAt(uint64_t offset, std::string_view data) override {
    while (!data.empty()) {
      const size_t chunk = std::min<uint64_t>(data.size(), kTransferBytesMax);
      const ssize_t done = ::pwrite(fd_.get(), data.data(), chunk, static_cast<off_t>(offset));
      if (done < 0) {
        if (errno == EINTR) continue;
        return Status::FromErrno(errno, "write", path_);
      }
      if (done == 0) return Status::FromErrno(EIO, "write", path_);  // no progress; looping would never end
      data.remove_prefix(static_cast<size_t>(done));
      offset += static_cast<uint64_t>(done);
    }
    return Status::Ok();
  }

  Status ReadAt(uint64_t offset, uint64_t length, char* buffer, uint64_t* got) override {
    *got = 0;
    while (*got < length) {
      const size_t chunk = std::min(length - *got, kTransferBytesMax);
      const ssize_t done = ::pread(fd_.get(), buffer + *got, chunk, static_cast<off_t>(offset + *got));
      if (done < 0) {
        if (errno == EINTR) continue;
        return Status::FromErrno(errno, "read", path_);
      }
      if (done == 0) break;
      *got += static_cast<uint64_t>(done);
    }
    return Status::Ok();
  }

  Status Sync() override {
    const int error = SyncDescriptor(fd_.get());
    return error == 0 ? Status::Ok() : Status::FromErrno(error, "sync", path_);
  }

  Status Truncate(uint64_t size) override {
    int result;
    do {
      result = ::ftruncate(fd_.get(), static_cast<off_t>(size));
    } while (result != 0 && errno == EINTR);
    return result == 0 ? Status::Ok() : Status::FromErrno(errno, "truncate", path_);
  }

  Status Size(uint64_t* size) override {
    struct stat info;
    if (::fstat(fd_.get(), &info) != 0) return Status::FromErrno(errno, "stat", path_);
    *size = static_cast<uint64_t>(info.st_size);
    return Status::Ok();
  }

  Status Links(uint64_t* links) override {
    struct stat info;
    if (::fstat(fd_.get(), &info) != 0) return Status::FromErrno(errno, "stat", path_);
    *links = static_cast<uint64_t>(info.st_nlink);
    return Status::Ok();
  }

  void ReadsInOrder() override {
#if !defined(__APPLE__)
    static_cast<void>(::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL));
#endif
  }

  Status Map(uint64_t length, std::unique_ptr<Mapping>* mapping) override {
    void* const data = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd_.get(), 0);
    if (data == MAP_FAILED) return Status::FromErrno(errno, "map", path_);
    // Point reads: reading ahead would evict what is in use. A refusal costs speed only.
    static_cast<void>(::madvise(data, length, MADV_RANDOM));
    *mapping = std::make_unique<PosixMapping>(static_cast<const char*>(data), length);
    return Status::Ok();
  }

 private:
  const Descriptor fd_;
  const std::string path_;
};

}  // namespace

Descriptor::~Descriptor() {
  // Not repeated after EINTR: Linux has released the number by then, and another thread may own it.
  if (fd_ >= 0) ::close(fd_);
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  std::swap(fd_, other.fd_);
  return *this;
}

int OpenDescriptor(const std::string& path, int flags) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  } while (fd < 0 && errno == EINTR);
  return fd;
}

Status PathError(int error, const char* operation, const std::string& path) {
  const Status status = Status::FromErrno(error, operation, path);
  if (error != ENOTDIR) return status;
  // The kernel does not say which component is the file, so look: the first one that is there and no directory.
  for (size_t end = path.find('/', 1);; end = path.find('/', end + 1)) {
    const std::string part = path.substr(0, end);
    struct stat info;
    if (::stat(part.c_str(), &info) != 0) break;
    if (!S_ISDIR(info.st_mode)) return status.WithCode(status.code(), part + " is a file, not a directory: ");
    if (end == std::string::npos) break;
  }
  return status;
}

Status OpenPosixFile(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  int flags = O_RDONLY;
  if (mode == OpenMode::kReadWrite) flags = O_RDWR;
  if (mode == OpenMode::kCreate) flags = O_RDWR | O_CREAT | O_EXCL;
  Descriptor fd(OpenDescriptor(path, flags));
  if (!fd.valid()) return PathError(errno, mode == OpenMode::kCreate ? "create" : "open", path);
  *file = std::make_unique<PosixFile>(std::move(fd), path);
  return Status::Ok();
}

Status SyncPosixDirectory(const std::string& path) {
  const Descriptor fd(OpenDescriptor(path, O_RDONLY | O_DIRECTORY));
  if (!fd.valid()) return PathError(errno, "open directory", path);
  if (::fsync(fd.get()) == 0) return Status::Ok();
  // Some network and FUSE file systems have no directory fsync and say EINVAL; PostgreSQL lets it pass as well.
  if (errno == EINVAL) return Status::Ok();
  return Status::FromErrno(errno, "sync directory", path);
}

}  // namespace crabkv
