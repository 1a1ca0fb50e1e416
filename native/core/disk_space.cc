#include "native/core/disk_space.h"

#include <cerrno>

namespace crabkv {

namespace {
// Beyond the reserve itself, what a write may need besides its own bytes: frame, segment header, rounding to blocks.
constexpr uint64_t kSlackBytes = 64 << 10;
}  // namespace

Status DiskSpace::Create() {
  std::unique_ptr<File> file;
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(path(), &exists));
  CRABKV_RETURN_IF_ERROR(env_->OpenFile(path(), exists ? OpenMode::kReadWrite : OpenMode::kCreate, &file));
  uint64_t size = 0;
  CRABKV_RETURN_IF_ERROR(file->Size(&size));
  // Written, not fallocated: some file systems promise blocks that they do not have.
  Status status = size == kReserveBytes ? Status::Ok() : file->WriteAt(0, std::string(kReserveBytes, '\0'));
  if (!status.ok()) {
    Status ignored = env_->Remove(path());
    static_cast<void>(ignored);
  }
  return status;
}

void DiskSpace::MakeRoomForRecovery() {
  uint64_t available = 0;
  bool exists = false;
  if (!env_->FreeSpace(directory_, &available).ok() || available >= kReserveBytes) return;
  if (!env_->Exists(path(), &exists).ok() || !exists) return;
  // If it can't be had, recovery will say what it lacks.
  Status ignored = env_->Remove(path());
  static_cast<void>(ignored);
}

void DiskSpace::Open() {
  std::lock_guard<std::mutex> lock(mutex_);
  reserved_ = Create().ok();
  if (!reserved_) MarkFull();
}

bool DiskSpace::RefusesPut(uint64_t bytes) {
  uint64_t available = 0;
  if (!env_->FreeSpace(directory_, &available).ok()) return false;  // then the write itself tells
  const bool reserved = reserved_.load(std::memory_order_acquire);
  if (available < bytes + (reserved ? 0 : kReserveBytes) + kSlackBytes) return true;
  // Until the reserve is there again puts keep out of its space.
  if (reserved) full_.store(false, std::memory_order_release);
  return false;
}

bool DiskSpace::GiveUpReserve() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!reserved_) return false;
  reserved_ = false;
  MarkFull();  // puts keep out of what becomes free now
  return env_->Remove(path()).ok();
}

void DiskSpace::Restore() {
  std::lock_guard<std::mutex> lock(mutex_);
  uint64_t available = 0;
  if (reserved_ || !env_->FreeSpace(directory_, &available).ok() || available < kReserveBytes + kSlackBytes) return;
  reserved_ = Create().ok();
  if (reserved_) full_.store(false, std::memory_order_release);
}

Status DiskSpace::Error() const { return Status::FromErrno(ENOSPC, "write to", directory_); }

}  // namespace crabkv
