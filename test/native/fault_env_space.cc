// The blocks of a FaultEnv's disk: who has how many, and what is left. See fault_env.h.
#include "test/native/fault_env.h"

namespace crabkv::test {

std::shared_ptr<FaultEnv::Blocks> FaultEnv::BlocksOf(const std::string& path) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    const auto found = blocks_.find(path);
    if (found != blocks_.end()) return found->second;
  }
  // A file from before this FaultEnv: all of it is allocated.
  uint64_t size = 0;
  std::unique_ptr<File> file;
  if (base_->OpenFile(path, OpenMode::kRead, &file).ok() && !file->Size(&size).ok()) size = 0;
  const std::lock_guard<std::mutex> hold(mutex_);
  std::shared_ptr<Blocks>& blocks = blocks_[path];
  if (blocks == nullptr) blocks = std::make_shared<Blocks>((size + kBlockBytes - 1) / kBlockBytes, true);
  return blocks;
}

uint64_t FaultEnv::Allocate(Blocks* blocks, uint64_t offset, uint64_t length) {
  if (length == 0) return 0;
  const std::lock_guard<std::mutex> hold(mutex_);
  const uint64_t last = (offset + length - 1) / kBlockBytes;
  if (blocks->size() <= last) blocks->resize(last + 1, false);
  for (uint64_t block = offset / kBlockBytes; block <= last; ++block) {
    if ((*blocks)[block]) continue;
    if (blocks_left_.has_value()) {
      if (*blocks_left_ == 0) return std::max(block * kBlockBytes, offset) - offset;
      --*blocks_left_;
    }
    (*blocks)[block] = true;
  }
  return length;
}

void FaultEnv::Release(Blocks* blocks, uint64_t from_offset) {
  const std::lock_guard<std::mutex> hold(mutex_);
  const uint64_t from = (from_offset + kBlockBytes - 1) / kBlockBytes;
  for (uint64_t block = from; block < blocks->size(); ++block) {
    if ((*blocks)[block] && blocks_left_.has_value()) ++*blocks_left_;
  }
  if (from < blocks->size()) blocks->resize(from);
}

void FaultEnv::ReleaseName(const std::string& path, const std::shared_ptr<Blocks>& blocks) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    blocks_.erase(path);
    for (const auto& [name, others] : blocks_) {
      if (others == blocks) return;
    }
  }
  Release(blocks.get(), 0);
}

}  // namespace crabkv::test
