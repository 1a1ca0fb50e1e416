// See mem_env.h. Directories are in mem_env_directories.cc; what only tests can do is in mem_env_crash.cc (crashes and
// looking at the disk) and mem_env_trace.cc.
#include "test/native/mem_env.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>

namespace crabkv::test {

namespace {

// How long a waiting thread may miss that the test has moved the clock.
constexpr std::chrono::milliseconds kPoll{1};
constexpr std::chrono::milliseconds kIdle{2};

uint64_t NextDevice() {
  static std::atomic<uint64_t> last{0xC4AB00000000};
  return ++last;
}

class MemMapping final : public Mapping {
 public:
  MemMapping(std::shared_ptr<MemFile> file, uint64_t length) : file_(std::move(file)) {
    data_ = file_->bytes();
    size_ = length;
  }

 private:
  const std::shared_ptr<MemFile> file_;
};

}  // namespace

// Keeps the file alive when its name is gone, as an open descriptor does.
class MemEnv::OpenMemFile final : public File {
 public:
  OpenMemFile(MemEnv* env, std::shared_ptr<MemFile> file, std::string path, bool writable)
      : env_(env), file_(std::move(file)), path_(std::move(path)), writable_(writable) {
    ++env_->open_handles_;
  }
  ~OpenMemFile() override { --env_->open_handles_; }

  Status WriteAt(uint64_t offset, std::string_view data) override {
    if (!writable_) return Status::FromErrno(EBADF, "write", path_);
    const std::lock_guard<std::mutex> hold(env_->mutex_);
    if (data.size() > file_->bytes_max() || offset > file_->bytes_max() - data.size()) {
      return Status::FromErrno(EFBIG, "write", path_);
    }
    file_->Write(offset, data, ++env_->last_sequence_);
    env_->RecordFile(TraceStep::Kind::kWrite, file_->inode(), offset, data);
    return Status::Ok();
  }

  Status ReadAt(uint64_t offset, uint64_t length, char* buffer, uint64_t* got) override {
    const std::lock_guard<std::mutex> hold(env_->mutex_);
    *got = offset < file_->size() ? std::min(length, file_->size() - offset) : 0;
    if (*got > 0) std::memcpy(buffer, file_->bytes() + offset, *got);
    return Status::Ok();
  }

  Status Sync() override {
    const std::lock_guard<std::mutex> hold(env_->mutex_);
    file_->Sync();
    env_->RecordFile(TraceStep::Kind::kSync, file_->inode());
    return Status::Ok();
  }

  Status Truncate(uint64_t size) override {
    if (!writable_) return Status::FromErrno(EINVAL, "truncate", path_);
    const std::lock_guard<std::mutex> hold(env_->mutex_);
    if (size > file_->bytes_max()) return Status::FromErrno(EFBIG, "truncate", path_);
    file_->Truncate(size, ++env_->last_sequence_);
    env_->RecordFile(TraceStep::Kind::kTruncate, file_->inode(), size);
    return Status::Ok();
  }

  Status Size(uint64_t* size) override {
    const std::lock_guard<std::mutex> hold(env_->mutex_);
    *size = file_->size();
    return Status::Ok();
  }

  Status Links(uint64_t* links) override {
    const std::lock_guard<std::mutex> hold(env_->mutex_);
    *links = 0;
    for (const auto& [path, directory] : env_->directories_) {
      for (const auto& [name, file] : directory.current) *links += file == file_ ? 1 : 0;
    }
    return Status::Ok();
  }

  Status Map(uint64_t length, std::unique_ptr<Mapping>* mapping) override {
    if (length == 0) return Status::FromErrno(EINVAL, "map", path_);
    if (length > file_->bytes_max()) return Status::FromErrno(ENOMEM, "map", path_);
    *mapping = std::make_unique<MemMapping>(file_, length);
    return Status::Ok();
  }

  MemFile* file() { return file_.get(); }

 private:
  MemEnv* const env_;
  const std::shared_ptr<MemFile> file_;
  const std::string path_;
  const bool writable_;
};

class MemEnv::MemLock final : public DirectoryLock {
 public:
  MemLock(MemEnv* env, std::string path, bool exclusive) : env_(env), path_(std::move(path)), exclusive_(exclusive) {
    ++env_->open_handles_;
  }
  ~MemLock() override {
    const std::lock_guard<std::mutex> hold(env_->mutex_);
    Hold& held = env_->holds_[path_];
    if (exclusive_) {
      held.exclusive = false;
    } else {
      --held.shared;
    }
    --env_->open_handles_;
  }

 private:
  MemEnv* const env_;
  const std::string path_;
  const bool exclusive_;
};

MemEnv::MemEnv(const MemEnvOptions& options)
    : options_(options),
      device_(NextDevice()),
      wall_ms_(options.wall_ms),
      monotonic_ns_(1'000'000'000),
      random_state_(options.seed) {
  directories_["/"].inode = ++last_inode_;
}

MemEnv::~MemEnv() { CRABKV_ASSERT(open_handles_ == 0); }

// --- The test's hand on the world

void MemEnv::DropDirty(File* file, uint64_t seed) {
  PowerCut cut = PowerCut::Even(seed);
  const std::lock_guard<std::mutex> hold(mutex_);
  static_cast<OpenMemFile*>(file)->file()->DropDirty(seed == 0 ? nullptr : &cut);
}

void MemEnv::DropDirtyNames(const std::string& directory) {
  const std::lock_guard<std::mutex> hold(mutex_);
  Directory* const found = DirectoryAt(Normalize(directory));
  if (found != nullptr) found->journal.clear();
}

void MemEnv::SetWallMs(uint64_t wall_ms) { wall_ms_ = wall_ms; }

void MemEnv::AdvanceMs(uint64_t ms) {
  wall_ms_ += ms;
  monotonic_ns_ += ms * 1'000'000;
}

// --- Names

// "data/", "./data" and "/data" are one directory: the working directory is the root.
std::string MemEnv::Normalize(const std::string& path) {
  std::string normalized;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part(path.data() + at, end - at);
    if (!part.empty() && part != ".") normalized.append("/").append(part);
    at = end + 1;
  }
  return normalized.empty() ? "/" : normalized;
}

void MemEnv::Split(const std::string& normalized, std::string* directory, std::string* name) {
  const size_t slash = normalized.rfind('/');
  *directory = slash == 0 ? "/" : normalized.substr(0, slash);
  *name = normalized.substr(slash + 1);
}

MemEnv::Directory* MemEnv::DirectoryAt(const std::string& normalized) {
  const auto at = directories_.find(normalized);
  return at == directories_.end() ? nullptr : &at->second;
}

std::shared_ptr<MemFile> MemEnv::FileAt(const std::string& normalized) const {
  std::string directory, name;
  Split(normalized, &directory, &name);
  const auto at = directories_.find(directory);
  if (at == directories_.end()) return nullptr;
  const auto file = at->second.current.find(name);
  return file == at->second.current.end() ? nullptr : file->second;
}

Status MemEnv::MissingDirectory(const char* operation, const std::string& path) const {
  std::string part = Normalize(path);
  std::string name;
  while (part != "/") {
    if (FileAt(part) != nullptr) {
      return Status::FromErrno(ENOTDIR, operation, path).WithCode(Code::kIo, part + " is a file, not a directory: ");
    }
    Split(std::string(part), &part, &name);
  }
  return Status::FromErrno(ENOENT, operation, path);
}

void MemEnv::Apply(const NameChange& change, Names* names) {
  if (!change.from.empty()) names->erase(change.from);
  if (change.file == nullptr) {
    names->erase(change.name);
  } else {
    (*names)[change.name] = change.file;
  }
}

void MemEnv::Change(Directory* directory, NameChange change) {
  change.sequence = ++last_sequence_;
  Apply(change, &directory->current);
  directory->journal.push_back(std::move(change));
}

Status MemEnv::OpenFile(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  const char* const operation = mode == OpenMode::kCreate ? "create" : "open";
  const std::string normalized = Normalize(path);
  std::string directory, name;
  Split(normalized, &directory, &name);
  const std::lock_guard<std::mutex> hold(mutex_);
  Directory* const at = DirectoryAt(directory);
  if (at == nullptr) return MissingDirectory(operation, path);
  if (DirectoryAt(normalized) != nullptr) {
    return Status::FromErrno(mode == OpenMode::kCreate ? EEXIST : EISDIR, operation, path);
  }
  const auto found = at->current.find(name);
  std::shared_ptr<MemFile> content = found == at->current.end() ? nullptr : found->second;
  if (mode == OpenMode::kCreate) {
    if (content != nullptr) return Status::FromErrno(EEXIST, operation, path);
    content = std::make_shared<MemFile>(++last_inode_, options_.file_bytes_max);
    Change(at, {name, content, ""});
    Record(TraceStep::Kind::kCreate, normalized, "", content->inode());
  }
  if (content == nullptr) return Status::FromErrno(ENOENT, operation, path);
  *file = std::make_unique<OpenMemFile>(this, std::move(content), path, mode != OpenMode::kRead);
  return Status::Ok();
}

Status MemEnv::Exists(const std::string& path, bool* exists) {
  const std::string normalized = Normalize(path);
  const std::lock_guard<std::mutex> hold(mutex_);
  *exists = DirectoryAt(normalized) != nullptr || FileAt(normalized) != nullptr;
  if (*exists) return Status::Ok();
  const Status missing = MissingDirectory("stat", path);
  return missing.error_number() == ENOTDIR ? missing : Status::Ok();
}

Status MemEnv::Identify(const std::string& path, FileId* id) {
  const std::string normalized = Normalize(path);
  const std::lock_guard<std::mutex> hold(mutex_);
  const Directory* const directory = DirectoryAt(normalized);
  const std::shared_ptr<MemFile> file = FileAt(normalized);
  if (directory == nullptr && file == nullptr) return MissingDirectory("stat", path);
  id->device = device_;
  id->inode = directory != nullptr ? directory->inode : file->inode();
  return Status::Ok();
}

Status MemEnv::Rename(const std::string& from, const std::string& to) {
  std::string from_directory, from_name, to_directory, to_name;
  Split(Normalize(from), &from_directory, &from_name);
  Split(Normalize(to), &to_directory, &to_name);
  const std::lock_guard<std::mutex> hold(mutex_);
  const std::shared_ptr<MemFile> file = FileAt(Normalize(from));
  if (DirectoryAt(Normalize(from)) != nullptr) return RenameDirectory(Normalize(from), Normalize(to));
  if (file == nullptr) return MissingDirectory("rename", from);
  if (DirectoryAt(Normalize(to)) != nullptr) return Status::FromErrno(EISDIR, "rename", to);
  if (from_directory != to_directory) return Status::FromErrno(EXDEV, "rename", from);
  if (from_name == to_name) return Status::Ok();
  Change(DirectoryAt(from_directory), {to_name, file, from_name});
  Record(TraceStep::Kind::kRename, from, to);
  return Status::Ok();
}

Status MemEnv::Link(const std::string& from, const std::string& to) {
  std::string directory, name;
  Split(Normalize(to), &directory, &name);
  const std::lock_guard<std::mutex> hold(mutex_);
  const std::shared_ptr<MemFile> file = FileAt(Normalize(from));
  Directory* const at = DirectoryAt(directory);
  if (file == nullptr) return MissingDirectory("link", from);
  if (at == nullptr) return MissingDirectory("link", to);
  if (FileAt(Normalize(to)) != nullptr || DirectoryAt(Normalize(to)) != nullptr) {
    return Status::FromErrno(EEXIST, "link", to);
  }
  Change(at, {name, file, ""});
  Record(TraceStep::Kind::kLink, from, to);
  return Status::Ok();
}

Status MemEnv::Remove(const std::string& path) {
  const std::string normalized = Normalize(path);
  std::string directory, name;
  Split(normalized, &directory, &name);
  const std::lock_guard<std::mutex> hold(mutex_);
  if (DirectoryAt(normalized) != nullptr) return Status::FromErrno(EISDIR, "remove", path);
  if (FileAt(normalized) == nullptr) return MissingDirectory("remove", path);
  Change(DirectoryAt(directory), {name, nullptr, ""});
  Record(TraceStep::Kind::kRemove, path);
  return Status::Ok();
}

Status MemEnv::SyncDirectory(const std::string& path) {
  const std::lock_guard<std::mutex> hold(mutex_);
  Directory* const at = DirectoryAt(Normalize(path));
  if (at == nullptr) return MissingDirectory("open directory", path);
  for (const NameChange& change : at->journal) Apply(change, &at->durable);
  at->journal.clear();
  Record(TraceStep::Kind::kSyncDirectory, path);
  return Status::Ok();
}

Status MemEnv::FreeSpace(const std::string&, uint64_t* bytes) {
  *bytes = uint64_t{1} << 40;
  return Status::Ok();
}

Status MemEnv::LockFile(const std::string& path, LockMode mode, std::unique_ptr<DirectoryLock>* lock) {
  const std::string normalized = Normalize(path);
  std::string directory, name;
  Split(normalized, &directory, &name);
  const std::lock_guard<std::mutex> hold(mutex_);
  Directory* const at = DirectoryAt(directory);
  if (at == nullptr) return MissingDirectory("open", path);
  if (at->current.find(name) == at->current.end()) {
    const auto file = std::make_shared<MemFile>(++last_inode_, options_.file_bytes_max);
    Change(at, {name, file, ""});
    Record(TraceStep::Kind::kCreate, normalized, "", file->inode());
  }
  Hold& held = holds_[normalized];
  const bool exclusive = mode == LockMode::kExclusive;
  if (held.exclusive || (exclusive && held.shared > 0)) {
    return Status::Error(Code::kLocked, directory + " is in use by process " + std::to_string(::getpid()));
  }
  if (exclusive) {
    held.exclusive = true;
  } else {
    ++held.shared;
  }
  *lock = std::make_unique<MemLock>(this, normalized, exclusive);
  return Status::Ok();
}

// --- Time, chance, threads

uint64_t MemEnv::WallMs() { return wall_ms_; }

uint64_t MemEnv::MonotonicNs() { return monotonic_ns_ += options_.monotonic_step_ns; }

uint64_t MemEnv::Random64() {
  // SplitMix64, with the state moved on atomically.
  uint64_t z = random_state_ += 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

std::thread MemEnv::StartThread(const char*, std::function<void()> body) { return std::thread(std::move(body)); }

// Looks at the virtual clock every millisecond rather than being told: AdvanceMs could only notify under the caller's
// own mutex, which the caller of AdvanceMs may hold.
void MemEnv::WaitFor(std::condition_variable& condition, std::unique_lock<std::mutex>& lock, uint64_t timeout_ms) {
  constexpr uint64_t kTimeoutMsMax = uint64_t{1} << 40;
  const uint64_t deadline_ns = monotonic_ns_ + std::min(timeout_ms, kTimeoutMsMax) * 1'000'000;
  // One real wait only: a notification that comes just as it times out is reported as a timeout and is gone. Waking
  // early is allowed, so the caller looks again.
  if (condition.wait_for(lock, options_.auto_advance ? kIdle : kPoll) == std::cv_status::no_timeout) return;
  const uint64_t now_ns = monotonic_ns_;
  if (options_.auto_advance && now_ns < deadline_ns) AdvanceMs((deadline_ns - now_ns) / 1'000'000 + 1);
}

}  // namespace crabkv::test
