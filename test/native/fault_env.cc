// See fault_env.h. What concerns the space on its disk is in fault_env_space.cc.
#include "test/native/fault_env.h"

#include <algorithm>

#include "native/core/format.h"

namespace crabkv::test {

namespace {

const char* NameOf(CallKind kind) {
  switch (kind) {
    case kOpenCall:
      return "open";
    case kReadCall:
      return "read";
    case kWriteCall:
      return "write";
    case kSyncCall:
      return "sync";
    case kTruncateCall:
      return "truncate";
    case kRenameCall:
      return "rename";
    case kRemoveCall:
      return "remove";
    case kSyncDirectoryCall:
      return "sync directory";
    case kCreateDirectoryCall:
      return "create directory";
    case kLockCall:
      return "lock";
    case kMapCall:
      return "map";
    case kListCall:
      return "list";
    case kLinkCall:
      return "link";
    case kFreeSpaceCall:
      return "statvfs";
    default:
      return "stat";
  }
}

Call MakeCall(CallKind kind, const std::string& path, uint64_t offset = 0, uint64_t length = 0) {
  Call call;
  call.kind = kind;
  call.path = path;
  call.offset = offset;
  call.length = length;
  return call;
}

bool Matches(const Fault& fault, const Call& call) {
  if ((fault.kinds & call.kind) == 0) return false;
  if (call.length < fault.length_from || call.length >= fault.length_below) return false;
  return call.path.find(fault.path_part) != std::string::npos || call.to.find(fault.path_part) != std::string::npos;
}

}  // namespace

class FaultEnv::FaultFile final : public File {
 public:
  FaultFile(FaultEnv* env, std::unique_ptr<File> base, std::string path, std::shared_ptr<Blocks> blocks)
      : env_(env), base_(std::move(base)), path_(std::move(path)), blocks_(std::move(blocks)) {}

  Status WriteAt(uint64_t offset, std::string_view data) override {
    return env_->Run(MakeCall(kWriteCall, path_, offset, data.size()), [&](const Verdict& verdict) {
      const uint64_t wanted = verdict.error == 0 ? data.size() : std::min<uint64_t>(verdict.write_prefix, data.size());
      const uint64_t fits = env_->Allocate(blocks_.get(), offset, wanted);
      if (fits > 0) CRABKV_RETURN_IF_ERROR(base_->WriteAt(offset, data.substr(0, fits)));
      return fits < wanted ? Status::FromErrno(ENOSPC, "write", path_) : Status::Ok();
    });
  }

  Status ReadAt(uint64_t offset, uint64_t length, char* buffer, uint64_t* got) override {
    *got = 0;
    return env_->Run(MakeCall(kReadCall, path_, offset, length), [&](const Verdict& verdict) {
      return verdict.error == 0 ? base_->ReadAt(offset, length, buffer, got) : Status::Ok();
    });
  }

  Status Sync() override {
    return env_->Run(MakeCall(kSyncCall, path_), [&](const Verdict& verdict) {
      if (verdict.error == 0) return base_->Sync();
      if (env_->memory_ != nullptr) env_->memory_->DropDirty(base_.get(), verdict.sync_keeps_seed);
      return Status::Ok();
    });
  }

  Status Truncate(uint64_t size) override {
    return env_->Run(MakeCall(kTruncateCall, path_, size), [&](const Verdict& verdict) {
      if (verdict.error != 0) return Status::Ok();
      CRABKV_RETURN_IF_ERROR(base_->Truncate(size));
      env_->Release(blocks_.get(), size);
      return Status::Ok();
    });
  }

  Status Size(uint64_t* size) override {
    return env_->Run(MakeCall(kStatCall, path_),
                     [&](const Verdict& verdict) { return verdict.error == 0 ? base_->Size(size) : Status::Ok(); });
  }

  Status Links(uint64_t* links) override {
    return env_->Run(MakeCall(kStatCall, path_),
                     [&](const Verdict& verdict) { return verdict.error == 0 ? base_->Links(links) : Status::Ok(); });
  }

  Status Map(uint64_t length, std::unique_ptr<Mapping>* mapping) override {
    return env_->Run(MakeCall(kMapCall, path_, 0, length), [&](const Verdict& verdict) {
      return verdict.error == 0 ? base_->Map(length, mapping) : Status::Ok();
    });
  }

 private:
  FaultEnv* const env_;
  const std::unique_ptr<File> base_;
  const std::string path_;
  const std::shared_ptr<Blocks> blocks_;
};

Fault FailedAppend(int error) {
  Fault fault;
  fault.kinds = kWriteCall;
  fault.path_part = ".log";
  fault.length_from = FrameHeader::kBytes + RecordBytes(1, 0);
  fault.length_below = 4096;
  fault.error = error;
  return fault;
}

FaultEnv::FaultEnv(Env* base, MemEnv* memory) : base_(base), memory_(memory) {}

FaultEnv::~FaultEnv() = default;

// --- Failing

void FaultEnv::Inject(Fault fault) {
  const std::lock_guard<std::mutex> hold(mutex_);
  plans_.push_back({std::move(fault), 0});
}

void FaultEnv::FailNth(uint64_t nth, uint32_t kinds, int error, bool forever) {
  Fault fault;
  fault.nth = nth;
  fault.kinds = kinds;
  fault.error = error;
  fault.forever = forever;
  Inject(fault);
}

void FaultEnv::ShortenNthWrite(uint64_t nth, uint64_t prefix, int error) {
  Fault fault;
  fault.nth = nth;
  fault.kinds = kWriteCall;
  fault.error = error;
  fault.write_prefix = prefix;
  Inject(fault);
}

void FaultEnv::DieAfter(uint64_t calls, uint32_t kinds) {
  const std::lock_guard<std::mutex> hold(mutex_);
  dead_ = calls == 0;
  death_after_ = calls;
  death_kinds_ = kinds;
}

bool FaultEnv::dead() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return dead_;
}

void FaultEnv::ClearFaults() {
  const std::lock_guard<std::mutex> hold(mutex_);
  plans_.clear();
  death_after_.reset();
  dead_ = false;
}

void FaultEnv::SetSpace(uint64_t bytes) {
  const std::lock_guard<std::mutex> hold(mutex_);
  blocks_left_ = bytes / kBlockBytes;
}

uint64_t FaultEnv::space_left() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return blocks_left_.value_or(0) * kBlockBytes;
}

// --- Watching

uint64_t FaultEnv::calls(uint32_t kinds) const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return static_cast<uint64_t>(
      std::count_if(log_.begin(), log_.end(), [&](const Call& call) { return (call.kind & kinds) != 0; }));
}

uint64_t FaultEnv::faults_hit() const {
  const std::lock_guard<std::mutex> hold(mutex_);
  return faults_hit_;
}

std::vector<Call> FaultEnv::log(uint32_t kinds) const {
  std::vector<Call> selected;
  const std::lock_guard<std::mutex> hold(mutex_);
  std::copy_if(log_.begin(), log_.end(), std::back_inserter(selected),
               [&](const Call& call) { return (call.kind & kinds) != 0; });
  return selected;
}

void FaultEnv::ResetLog() {
  const std::lock_guard<std::mutex> hold(mutex_);
  log_.clear();
}

void FaultEnv::SetHook(std::function<void(const Call&)> hook) {
  const std::lock_guard<std::mutex> hold(mutex_);
  hook_ = std::move(hook);
}

// --- The way of every call

FaultEnv::Verdict FaultEnv::Judge(const Call& call) {
  Verdict verdict;
  const std::lock_guard<std::mutex> hold(mutex_);
  for (Plan& plan : plans_) {
    if (!Matches(plan.fault, call)) continue;
    ++plan.seen;
    const bool hit = plan.seen == plan.fault.nth || (plan.fault.forever && plan.seen > plan.fault.nth);
    if (!hit || verdict.error != 0) continue;
    ++faults_hit_;
    verdict.error = plan.fault.error;
    verdict.write_prefix = plan.fault.write_prefix;
    verdict.sync_keeps_seed = plan.fault.sync_keeps_seed;
  }
  if (dead_) {
    verdict.error = EIO;
    verdict.died = true;
  } else if (death_after_.has_value() && (call.kind & death_kinds_) != 0) {
    // The last call of this life still goes through.
    dead_ = --*death_after_ == 0;
  }
  return verdict;
}

Status FaultEnv::Run(Call call, const std::function<Status(const Verdict&)>& operation) {
  const Verdict verdict = Judge(call);
  Status status = verdict.died ? Status::Ok() : operation(verdict);
  if (status.ok() && verdict.error != 0) status = Status::FromErrno(verdict.error, NameOf(call.kind), call.path);
  call.ok = status.ok();
  std::function<void(const Call&)> hook;
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    log_.push_back(call);
    if (!verdict.died) hook = hook_;
  }
  if (hook) hook(call);
  return status;
}

// --- Env

Status FaultEnv::OpenFile(const std::string& path, OpenMode mode, std::unique_ptr<File>* file) {
  return Run(MakeCall(kOpenCall, path), [&](const Verdict& verdict) {
    if (verdict.error != 0) return Status::Ok();
    std::unique_ptr<File> base;
    CRABKV_RETURN_IF_ERROR(base_->OpenFile(path, mode, &base));
    *file = std::make_unique<FaultFile>(this, std::move(base), path, BlocksOf(path));
    return Status::Ok();
  });
}

Status FaultEnv::ListDirectory(const std::string& path, std::vector<std::string>* names) {
  return Run(MakeCall(kListCall, path), [&](const Verdict& verdict) {
    return verdict.error == 0 ? base_->ListDirectory(path, names) : Status::Ok();
  });
}

Status FaultEnv::CreateDirectory(const std::string& path) {
  return Run(MakeCall(kCreateDirectoryCall, path),
             [&](const Verdict& verdict) { return verdict.error == 0 ? base_->CreateDirectory(path) : Status::Ok(); });
}

Status FaultEnv::Exists(const std::string& path, bool* exists) {
  return Run(MakeCall(kStatCall, path),
             [&](const Verdict& verdict) { return verdict.error == 0 ? base_->Exists(path, exists) : Status::Ok(); });
}

Status FaultEnv::Identify(const std::string& path, FileId* id) {
  return Run(MakeCall(kStatCall, path),
             [&](const Verdict& verdict) { return verdict.error == 0 ? base_->Identify(path, id) : Status::Ok(); });
}

Status FaultEnv::Rename(const std::string& from, const std::string& to) {
  Call call = MakeCall(kRenameCall, from);
  call.to = to;
  return Run(std::move(call), [&](const Verdict& verdict) {
    if (verdict.error != 0) return Status::Ok();
    const std::shared_ptr<Blocks> moved = BlocksOf(from);
    const std::shared_ptr<Blocks> replaced = from == to ? nullptr : BlocksOf(to);
    CRABKV_RETURN_IF_ERROR(base_->Rename(from, to));
    if (replaced == nullptr) return Status::Ok();
    ReleaseName(to, replaced);
    const std::lock_guard<std::mutex> hold(mutex_);
    blocks_.erase(from);
    blocks_[to] = moved;
    return Status::Ok();
  });
}

Status FaultEnv::Link(const std::string& from, const std::string& to) {
  Call call = MakeCall(kLinkCall, from);
  call.to = to;
  return Run(std::move(call), [&](const Verdict& verdict) {
    if (verdict.error != 0) return Status::Ok();
    const std::shared_ptr<Blocks> blocks = BlocksOf(from);
    CRABKV_RETURN_IF_ERROR(base_->Link(from, to));
    const std::lock_guard<std::mutex> hold(mutex_);
    blocks_[to] = blocks;
    return Status::Ok();
  });
}

Status FaultEnv::Remove(const std::string& path) {
  return Run(MakeCall(kRemoveCall, path), [&](const Verdict& verdict) {
    if (verdict.error != 0) return Status::Ok();
    const std::shared_ptr<Blocks> blocks = BlocksOf(path);
    CRABKV_RETURN_IF_ERROR(base_->Remove(path));
    ReleaseName(path, blocks);
    return Status::Ok();
  });
}

Status FaultEnv::RemoveDirectory(const std::string& path) {
  return Run(MakeCall(kRemoveCall, path),
             [&](const Verdict& verdict) { return verdict.error != 0 ? Status::Ok() : base_->RemoveDirectory(path); });
}

Status FaultEnv::SyncDirectory(const std::string& path) {
  return Run(MakeCall(kSyncDirectoryCall, path), [&](const Verdict& verdict) {
    if (verdict.error == 0) return base_->SyncDirectory(path);
    if (memory_ != nullptr) memory_->DropDirtyNames(path);
    return Status::Ok();
  });
}

Status FaultEnv::FreeSpace(const std::string& path, uint64_t* bytes) {
  return Run(MakeCall(kFreeSpaceCall, path), [&](const Verdict& verdict) {
    if (verdict.error != 0) return Status::Ok();
    CRABKV_RETURN_IF_ERROR(base_->FreeSpace(path, bytes));
    const std::lock_guard<std::mutex> hold(mutex_);
    if (blocks_left_.has_value()) *bytes = *blocks_left_ * kBlockBytes;
    return Status::Ok();
  });
}

Status FaultEnv::LockFile(const std::string& path, LockMode mode, std::unique_ptr<DirectoryLock>* lock) {
  return Run(MakeCall(kLockCall, path), [&](const Verdict& verdict) {
    return verdict.error == 0 ? base_->LockFile(path, mode, lock) : Status::Ok();
  });
}

std::thread FaultEnv::StartThread(const char* name, std::function<void()> body) {
  return base_->StartThread(name, std::move(body));
}

void FaultEnv::WaitFor(std::condition_variable& condition, std::unique_lock<std::mutex>& lock, uint64_t timeout_ms) {
  base_->WaitFor(condition, lock, timeout_ms);
}

}  // namespace crabkv::test
