#include "native/core/file_copy.h"

#include <algorithm>
#include <vector>

namespace crabkv {

namespace {

constexpr uint64_t kPieceBytes = 1 << 20;

Status CopyBytes(File* from, const std::string& from_path, uint64_t bytes, File* to, const StepDone& step) {
  std::vector<char> piece(std::min(bytes, kPieceBytes));
  for (uint64_t at = 0; at < bytes;) {
    const uint64_t wanted = std::min<uint64_t>(piece.size(), bytes - at);
    uint64_t got = 0;
    CRABKV_RETURN_IF_ERROR(from->ReadAt(at, wanted, piece.data(), &got));
    if (got != wanted) return Status::Corruption(from_path, at + got, "the file ends here, and must not");
    CRABKV_RETURN_IF_ERROR(to->WriteAt(at, std::string_view(piece.data(), got)));
    at += got;
    if (!step(got)) return Status::Error(Code::kAborted, "given up");
  }
  return to->Sync();
}

}  // namespace

Status CopyFile(Env* env, File* from, const std::string& from_path, uint64_t bytes, const std::string& to,
                const StepDone& step) {
  const std::string temporary = to + ".tmp";
  bool leftover = false;
  CRABKV_RETURN_IF_ERROR(env->Exists(temporary, &leftover));
  if (leftover) CRABKV_RETURN_IF_ERROR(env->Remove(temporary));
  std::unique_ptr<File> file;
  CRABKV_RETURN_IF_ERROR(env->OpenFile(temporary, OpenMode::kCreate, &file));
  Status status = CopyBytes(from, from_path, bytes, file.get(), step);
  if (status.ok()) status = env->Rename(temporary, to);
  if (status.ok()) return status;
  const Status ignored = env->Remove(temporary);
  static_cast<void>(ignored);
  return status;
}

}  // namespace crabkv
