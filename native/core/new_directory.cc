#include "native/core/new_directory.h"

#include <vector>

#include "native/core/paths.h"

namespace crabkv {

namespace {

constexpr char kPartial[] = ".partial";

}  // namespace

Status IsInside(Env* env, std::string path, const std::string& directory, bool* inside) {
  FileId outer, id;
  CRABKV_RETURN_IF_ERROR(env->Identify(directory, &outer));
  path = WithoutTrailingSlashes(path);
  bool exists = false;
  for (;;) {
    CRABKV_RETURN_IF_ERROR(env->Exists(path, &exists));
    if (exists) break;
    path = ParentOf(path);
  }
  CRABKV_RETURN_IF_ERROR(env->Identify(path, &id));
  *inside = id == outer;
  while (!*inside) {
    FileId above;
    path += "/..";
    if (!env->Identify(path, &above).ok() || above == id) return Status::Ok();
    id = above;
    *inside = id == outer;
  }
  return Status::Ok();
}

NewDirectory::NewDirectory(Env* env, const std::string& target, std::string work)
    : env_(env), target_(WithoutTrailingSlashes(target)), partial_(target_ + kPartial), work_(std::move(work)) {}

Status NewDirectory::Check(const std::string& source) const {
  if (target_.empty()) return Status::Error(Code::kInvalidArgument, "the target must have a name");
  bool inside = false;
  CRABKV_RETURN_IF_ERROR(IsInside(env_, target_, source, &inside));
  if (inside) {
    return Status::Error(Code::kInvalidArgument, "the target " + target_ + " is " + source + ", or inside of it");
  }
  bool exists = false;
  CRABKV_RETURN_IF_ERROR(env_->Exists(target_, &exists));
  if (exists) {
    std::vector<std::string> names;
    CRABKV_RETURN_IF_ERROR(env_->ListDirectory(target_, &names));
    if (!names.empty()) return Status::Error(Code::kExists, "the target " + target_ + " is not empty");
    FileId id, parent;
    CRABKV_RETURN_IF_ERROR(env_->Identify(target_, &id));
    CRABKV_RETURN_IF_ERROR(env_->Identify(ParentOf(target_), &parent));
    if (id.device != parent.device) {
      return Status::Error(Code::kInvalidArgument,
                           "the target " + target_ + " is a mount point; name a directory in it");
    }
  }
  CRABKV_RETURN_IF_ERROR(env_->Exists(partial_, &exists));
  if (!exists) return Status::Ok();
  return Status::Error(Code::kExists, partial_ + " is there, perhaps from a " + work_ +
                                          " that was killed; remove it or name another target");
}

Status NewDirectory::Make(const std::function<Status()>& fill) {
  CRABKV_RETURN_IF_ERROR(env_->CreateDirectory(partial_));
  Status status = fill();
  if (status.ok()) status = Publish();
  if (!status.ok()) Discard();
  return status;
}

Status NewDirectory::Publish() {
  CRABKV_RETURN_IF_ERROR(env_->Rename(partial_, target_));
  return env_->SyncDirectory(ParentOf(target_));
}

// As far as it goes: what is in the way of this is what failed already.
void NewDirectory::Discard() {
  std::vector<std::string> names;
  Status ignored = env_->ListDirectory(partial_, &names);
  for (const std::string& name : names) ignored = env_->Remove(partial_ + "/" + name);
  ignored = env_->RemoveDirectory(partial_);
  static_cast<void>(ignored);
}

}  // namespace crabkv
