// The directories of a MemEnv. See mem_env.h.
#include <algorithm>
#include <cerrno>

#include "test/native/mem_env.h"

namespace crabkv::test {

Status MemEnv::ListDirectory(const std::string& path, std::vector<std::string>* names) {
  names->clear();
  const std::string normalized = Normalize(path);
  const std::lock_guard<std::mutex> hold(mutex_);
  const Directory* const at = DirectoryAt(normalized);
  if (at == nullptr) return MissingDirectory("list", path);
  for (const auto& [name, file] : at->current) names->push_back(name);
  for (const auto& [child, unused] : directories_) {
    std::string parent, name;
    Split(child, &parent, &name);
    if (child != "/" && parent == normalized) names->push_back(name);
  }
  std::sort(names->begin(), names->end());
  return Status::Ok();
}

Status MemEnv::CreateDirectory(const std::string& path) {
  const std::string normalized = Normalize(path);
  const std::lock_guard<std::mutex> hold(mutex_);
  for (size_t end = normalized.find('/', 1);; end = normalized.find('/', end + 1)) {
    const std::string part = normalized.substr(0, end);
    if (FileAt(part) != nullptr) return MissingDirectory("create directory", path);
    if (DirectoryAt(part) == nullptr) {
      directories_[part].inode = ++last_inode_;
      Record(TraceStep::Kind::kCreateDirectory, part);
    }
    if (end == std::string::npos) return Status::Ok();
  }
}

bool MemEnv::HasSubdirectory(const std::string& normalized) const {
  const std::string below = normalized + "/";
  const auto first = directories_.lower_bound(below);
  return first != directories_.end() && first->first.compare(0, below.size(), below) == 0;
}

// Of one without directories in it.
Status MemEnv::RenameDirectory(const std::string& from, const std::string& to) {
  if (FileAt(to) != nullptr) return Status::FromErrno(ENOTDIR, "rename", from);
  const Directory* const replaced = DirectoryAt(to);
  if (replaced != nullptr && (!replaced->current.empty() || HasSubdirectory(to))) {
    return Status::FromErrno(ENOTEMPTY, "rename", from);
  }
  CRABKV_ASSERT(!HasSubdirectory(from));
  Directory moved = std::move(directories_[from]);
  directories_.erase(from);
  directories_[to] = std::move(moved);
  Record(TraceStep::Kind::kRename, from, to);
  return Status::Ok();
}

Status MemEnv::RemoveDirectory(const std::string& path) {
  const std::string normalized = Normalize(path);
  const std::lock_guard<std::mutex> hold(mutex_);
  const Directory* const directory = DirectoryAt(normalized);
  if (directory == nullptr) return MissingDirectory("remove directory", path);
  if (!directory->current.empty() || HasSubdirectory(normalized)) {
    return Status::FromErrno(ENOTEMPTY, "remove directory", path);
  }
  directories_.erase(normalized);
  Record(TraceStep::Kind::kRemoveDirectory, path);
  return Status::Ok();
}

}  // namespace crabkv::test
