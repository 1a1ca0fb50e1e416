// Numbers, salts and files for the log's next segments, made ahead of their use so that rotation never waits for the
// disk. Segments must begin to be used in the order of their numbers: a header that was handed out and not used is put
// back. Thread-safe. Only Prepare and TakeFile wait for the disk.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "native/core/env.h"
#include "native/core/format.h"

namespace crabkv {

class SegmentMaker {
 public:
  SegmentMaker(Env* env, std::string directory, StoreId store_id, uint64_t next_number)
      : env_(env), directory_(std::move(directory)), store_id_(store_id), next_number_(next_number) {}

  // The header of the segment to rotate into.
  SegmentHeader HandOut();
  // The segments with these numbers and above were not begun: hands them out again, in order.
  void PutBackFrom(uint64_t number);
  // The file of a segment that was handed out: the one made ahead (waiting for it when it is being made now), else made
  // here.
  Status TakeFile(uint64_t number, std::unique_ptr<File>* file);
  // Makes the file of the next header to be handed out, unless there is one. Failing is not an error: TakeFile tries
  // again.
  void Prepare();
  std::string PathOf(uint64_t number) const { return directory_ + "/" + SegmentFileName(number); }

 private:
  struct Item {
    SegmentHeader header;
    bool handed_out = false;
    bool making = false;
    std::unique_ptr<File> file;
  };
  Item* NextLocked();  // the first that is not handed out; a new one if need be
  Item* FindLocked(uint64_t number);

  Env* const env_;
  const std::string directory_;
  const StoreId store_id_;
  std::mutex mutex_;
  std::condition_variable made_;
  std::deque<Item>
      items_;             // guarded by mutex_; by number; a deque, so that an Item stays where it is while others come
  uint64_t next_number_;  // guarded by mutex_
};

}  // namespace crabkv
