// Fills a new store with records, through the store's own write path: batches of bounded size, one being written while
// the next one gathers. One thread; may block.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "native/core/read_buffer.h"
#include "native/core/store.h"

namespace crabkv {

class StoreFiller {
 public:
  // Makes the store; kExists when there is one.
  Status Open(Env* env, const std::string& directory, Codec compression);
  // Room for a key and its value, to be filled before the next call. The store gets them by Finish at the latest.
  Status Put(uint32_t key_bytes, uint32_t value_bytes, uint64_t expires_at_ms, char** to);
  // All of it durable, and the store closed. After this nothing more.
  Status Finish();

 private:
  struct Item {
    uint64_t offset = 0;  // in bytes_: the key, then the value
    uint32_t key_bytes = 0;
    uint32_t value_bytes = 0;
    uint64_t expires_at_ms = 0;
  };
  Status WriteBatch();

  std::shared_ptr<Store> store_;
  ReadBuffer bytes_;
  std::vector<Item> items_;
  std::vector<Operation> operations_;
  uint64_t group_ = 0;  // of the batch before
};

}  // namespace crabkv
