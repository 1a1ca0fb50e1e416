#include "native/core/segment.h"

namespace crabkv {

Status CreateSegmentFile(Env* env, const std::string& directory, const SegmentHeader& header,
                         std::unique_ptr<File>* file) {
  const std::string path = directory + "/" + SegmentFileName(header.number);
  const std::string temporary = path + ".tmp";
  bool leftover = false;
  CRABKV_RETURN_IF_ERROR(env->Exists(temporary, &leftover));
  if (leftover) CRABKV_RETURN_IF_ERROR(env->Remove(temporary));
  std::unique_ptr<File> created;
  CRABKV_RETURN_IF_ERROR(env->OpenFile(temporary, OpenMode::kCreate, &created));
  char bytes[SegmentHeader::kBytes];
  EncodeSegmentHeader(header, bytes);
  Status status = created->WriteAt(0, std::string_view(bytes, sizeof(bytes)));
  if (status.ok()) status = created->Sync();
  if (status.ok()) status = env->Rename(temporary, path);
  if (status.ok()) status = env->SyncDirectory(directory);
  if (!status.ok()) {
    // Best effort: the next creation of this number removes it too.
    Status ignored = env->Remove(temporary);
    static_cast<void>(ignored);
    return status;
  }
  // Opened again under its name, so that errors name a file that people can find.
  return env->OpenFile(path, OpenMode::kReadWrite, file);
}

}  // namespace crabkv
