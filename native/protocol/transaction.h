// What a command, or the commands of one EXEC, read and write: reads remember what they saw, writes stay here, and
// Commit puts all of it into the log as one batch that goes through only if what was read still stands. So every
// command is atomic, whoever else writes, and whoever runs it begins anew when Commit says so.
//
// Rule for commands: read everything before the first write, because a read may have to stop the command until a page
// is in memory, and it then runs again from its beginning. Not for two threads at once; never waits for the disk.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "native/core/store.h"

namespace crabkv::protocol {

// A key as the transaction sees it, its own writes included. The value is valid until the transaction ends.
struct KeyView {
  bool found = false;
  uint64_t expires_at_ms = 0;  // 0: never
  std::string_view value;      // of Read only
};

class Transaction {
 public:
  // `read_bytes_max`: of all values that it has read; beyond it Read stops with kTooLarge.
  Transaction(Store* store, uint64_t read_bytes_max) : store_(store), read_bytes_max_(read_bytes_max) {}

  // --- Reading. False when the command has to stop, see status().
  bool Read(std::string_view key, KeyView* view);
  bool Look(std::string_view key, KeyView* view);  // without the value: never stops for the disk

  // --- Writing. Views of keys and values must stay valid until the transaction ends.
  void Put(std::string_view key, std::string_view value, uint64_t expires_at_ms);
  void Delete(std::string_view key);
  void SetDeadline(std::string_view key, uint64_t expires_at_ms);  // of a key that was found
  // Memory for a value that a command makes.
  char* Allocate(uint64_t bytes);

  // EXEC goes through only if the key is as it was (`found` false: not there).
  void Require(std::string_view key, bool found, uint64_t version, uint64_t expires_at_ms);

  enum class Fate : uint8_t {
    kCommitted,
    kConflict,        // somebody else wrote what was read: run it all again
    kRequiredFailed,  // a Require does not hold
    kStopped,         // see status()
  };
  // `whole`: also checks reads against each other, so that several commands saw one moment.
  Fate Commit(bool whole, uint64_t* group);

  // Whether reads may wait for the disk after all: for a command that was stopped again and again.
  DiskWait wait() const { return wait_; }
  void set_wait(DiskWait wait) { wait_ = wait; }

  // Why Read or Commit stopped: kNotResident (CollectCold says which keys), or a failure.
  const Status& status() const { return status_; }
  void Stop(Status status) { status_ = std::move(status); }
  // Begins anew.
  void Reset();
  // Between commands: gives back what is kept to be used again.
  void Trim();
  // Of values read and made.
  uint64_t held_bytes() const { return held_bytes_; }
  // All of its memory, about: also what is kept to be used again.
  uint64_t memory_bytes() const;
  bool is_empty() const { return nodes_used_ == 0; }
  bool HasWrite(std::string_view key) {
    const Node* node = Find(key);
    return node != nullptr && node->write != Write::kNone;
  }
  // Whether the write that the key has leaves nothing there.
  bool HasDeleted(std::string_view key) {
    const Node* node = Find(key);
    return node != nullptr && node->write != Write::kNone && !node->now.found;
  }
  // Keys with a write in this transaction, for walks over all keys: visit(key, found).
  template <typename Visit>
  void ForEachWrite(Visit visit) const {
    for (size_t i = 0; i < nodes_used_; i++) {
      if (nodes_[i].write != Write::kNone) visit(nodes_[i].key, nodes_[i].now.found);
    }
  }

 private:
  enum class Seen : uint8_t { kNothing, kDeadline, kValue };
  enum class Write : uint8_t { kNone, kPut, kDelete, kExpire };
  struct Node {
    std::string_view key;
    Seen seen = Seen::kNothing;
    Write write = Write::kNone;
    bool required = false;
    bool base_found = false;
    uint64_t base_version = 0;
    uint64_t base_expires_at_ms = 0;
    KeyView now;
    bool has_value = false;   // `now.value` is the value
    ReadBuffer value;         // what was read
    uint64_t kept_bytes = 0;  // of it, when the transaction before ended
  };

  Node* Find(std::string_view key);
  Node* FindOrAdd(std::string_view key);
  void AddGuard(const Node& node, Operation* operation) const;

  Store* const store_;
  const uint64_t read_bytes_max_;
  uint64_t held_bytes_ = 0;
  uint64_t kept_bytes_ = 0;  // of buffers that are kept from transaction to transaction
  std::deque<Node> nodes_;   // the first nodes_used_ are in use, the others keep their memory
  size_t nodes_used_ = 0;
  std::unordered_map<std::string_view, size_t> by_key_;  // only when there are many
  std::vector<Operation> operations_;
  std::deque<ReadBuffer> made_;
  size_t made_used_ = 0;
  Status status_;
  DiskWait wait_ = DiskWait::kNever;
};

}  // namespace crabkv::protocol
