#include "native/protocol/transaction.h"

namespace crabkv::protocol {

namespace {
// Up to here a walk over the nodes is faster than hashing.
constexpr size_t kNodesWithoutMap = 12;
constexpr size_t kNodesKept = 64;
constexpr uint64_t kBytesKept = 64 << 10;
}  // namespace

Transaction::Node* Transaction::Find(std::string_view key) {
  if (nodes_used_ > kNodesWithoutMap) {
    const auto found = by_key_.find(key);
    return found == by_key_.end() ? nullptr : &nodes_[found->second];
  }
  for (size_t i = 0; i < nodes_used_; i++) {
    if (nodes_[i].key == key) return &nodes_[i];
  }
  return nullptr;
}

Transaction::Node* Transaction::FindOrAdd(std::string_view key) {
  if (Node* node = Find(key); node != nullptr) return node;
  if (nodes_used_ == nodes_.size()) nodes_.emplace_back();
  Node* node = &nodes_[nodes_used_++];
  node->key = key;
  if (nodes_used_ == kNodesWithoutMap + 1) {
    for (size_t i = 0; i < nodes_used_; i++) by_key_.emplace(nodes_[i].key, i);
  } else if (nodes_used_ > kNodesWithoutMap) {
    by_key_.emplace(key, nodes_used_ - 1);
  }
  return node;
}

bool Transaction::Read(std::string_view key, KeyView* view) {
  Node* node = FindOrAdd(key);
  const bool replaced = node->write == Write::kPut || node->write == Write::kDelete;
  if (!node->has_value && !replaced) {
    EntryInfo info;
    node->value.Clear();
    if (held_bytes_ > read_bytes_max_) {
      status_ = Status::Error(Code::kTooLarge, "the values are larger than " + std::to_string(read_bytes_max_) +
                                                   " bytes together: too large for one command or transaction");
      return false;
    }
    status_ = store_->Get(key, wait_, &node->value, &info);
    if (!status_.ok()) return false;
    // What was looked at before, or is required, is what the guard is about; a difference is found by Commit.
    if (!node->required && node->seen == Seen::kNothing) {
      node->base_found = info.found;
      node->base_expires_at_ms = info.expires_at_ms;
    }
    // What a look found and this read does not has changed in between: no version will ever be this one.
    if (!node->required) node->base_version = node->base_found && !info.found ? UINT64_MAX : info.version;
    node->seen = Seen::kValue;
    node->now.found = info.found;
    if (node->write == Write::kNone) node->now.expires_at_ms = info.expires_at_ms;
    node->now.value = node->value.view();
    node->has_value = true;
    held_bytes_ += node->value.size();
  }
  *view = node->now;
  return true;
}

bool Transaction::Look(std::string_view key, KeyView* view) {
  Node* node = FindOrAdd(key);
  if (node->seen == Seen::kNothing && node->write == Write::kNone) {
    EntryInfo info;
    status_ = store_->Has(key, &info);
    if (!status_.ok()) return false;
    node->seen = Seen::kDeadline;
    if (!node->required) {
      node->base_found = info.found;
      node->base_expires_at_ms = info.expires_at_ms;
    }
    node->now.found = info.found;
    node->now.expires_at_ms = info.expires_at_ms;
  }
  *view = node->now;
  return true;
}

void Transaction::Put(std::string_view key, std::string_view value, uint64_t expires_at_ms) {
  Node* node = FindOrAdd(key);
  node->write = Write::kPut;
  node->now.found = true;
  node->now.expires_at_ms = expires_at_ms;
  node->now.value = value;
  node->has_value = true;
}

void Transaction::Delete(std::string_view key) {
  Node* node = FindOrAdd(key);
  node->write = Write::kDelete;
  node->now = KeyView();
  node->has_value = true;
}

void Transaction::SetDeadline(std::string_view key, uint64_t expires_at_ms) {
  Node* node = FindOrAdd(key);
  if (node->write == Write::kNone) node->write = Write::kExpire;
  node->now.expires_at_ms = expires_at_ms;
}

char* Transaction::Allocate(uint64_t bytes) {
  if (made_used_ == made_.size()) made_.emplace_back();
  ReadBuffer& buffer = made_[made_used_++];
  kept_bytes_ -= buffer.capacity();  // it is in use
  buffer.Clear();
  held_bytes_ += bytes;
  return buffer.Extend(bytes);
}

void Transaction::Require(std::string_view key, bool found, uint64_t version, uint64_t expires_at_ms) {
  Node* node = FindOrAdd(key);
  node->required = true;
  node->base_found = found;
  node->base_version = version;
  node->base_expires_at_ms = expires_at_ms;
}

void Transaction::AddGuard(const Node& node, Operation* operation) const {
  if (!node.required && node.seen == Seen::kNothing) return;
  if (!node.base_found) {
    operation->guard = Guard::kAbsent;
  } else {
    operation->guard = node.required || node.seen == Seen::kValue ? Guard::kUnchanged : Guard::kDeadline;
    operation->guard_version = node.base_version;
    operation->guard_expires_at_ms = node.base_expires_at_ms;
  }
}

Transaction::Fate Transaction::Commit(bool whole, uint64_t* group) {
  size_t writes = 0;
  bool required = false;
  for (size_t i = 0; i < nodes_used_; i++) {
    if (nodes_[i].write != Write::kNone) writes++;
    required = required || nodes_[i].required;
  }
  if (writes == 0 && !required && !(whole && nodes_used_ > 1)) return Fate::kCommitted;
  // Nobody writes to a store that is open read-only, so reads agree; and it takes no batch, not even to check them.
  if (writes == 0 && store_->options().read_only) return Fate::kCommitted;
  operations_.assign(nodes_used_, Operation());
  for (size_t i = 0; i < nodes_used_; i++) {
    const Node& node = nodes_[i];
    Operation& operation = operations_[i];
    operation.key = node.key;
    operation.kind = Operation::Kind::kCheck;
    AddGuard(node, &operation);
    if (node.write == Write::kNone) continue;
    operation.expires_at_ms = node.now.expires_at_ms;
    if (node.write == Write::kPut) {
      operation.kind = Operation::Kind::kPut;
      operation.value = node.now.value;
    } else {
      operation.kind = node.write == Write::kDelete ? Operation::Kind::kDelete : Operation::Kind::kExpire;
    }
  }
  crabkv::Commit commit;
  status_ = store_->Write(operations_.data(), static_cast<uint32_t>(nodes_used_), wait_, &commit);
  if (!status_.ok()) return Fate::kStopped;
  if (!commit.committed) return nodes_[commit.failed_index].required ? Fate::kRequiredFailed : Fate::kConflict;
  if (commit.group > *group) *group = commit.group;
  return Fate::kCommitted;
}

uint64_t Transaction::memory_bytes() const {
  constexpr uint64_t kEntryBytes = 64;  // of the map, about
  return held_bytes_ + kept_bytes_ + nodes_.size() * sizeof(Node) + by_key_.size() * kEntryBytes +
         operations_.capacity() * sizeof(Operation);
}

void Transaction::Reset() {
  if (nodes_used_ > kNodesKept) {
    for (const Node& node : nodes_) kept_bytes_ -= node.kept_bytes;
    nodes_.clear();
    std::vector<Operation>().swap(operations_);
    by_key_ = {};
  } else {
    for (size_t i = 0; i < nodes_used_; i++) {
      ReadBuffer value = std::move(nodes_[i].value);
      value.Clear();
      value.Trim(kBytesKept);
      kept_bytes_ += value.capacity() - nodes_[i].kept_bytes;
      nodes_[i] = Node();
      nodes_[i].kept_bytes = value.capacity();
      nodes_[i].value = std::move(value);
    }
  }
  nodes_used_ = 0;
  if (!by_key_.empty()) by_key_.clear();
  if (made_used_ > kNodesKept) made_.clear();
  for (size_t i = 0; i < made_used_ && i < made_.size(); i++) {
    made_[i].Trim(kBytesKept);
    kept_bytes_ += made_[i].capacity();
  }
  made_used_ = 0;
  held_bytes_ = 0;
  status_ = Status::Ok();
}

void Transaction::Trim() {
  if (nodes_used_ != 0) return;
  nodes_.clear();
  nodes_.shrink_to_fit();
  made_.clear();
  made_.shrink_to_fit();
  kept_bytes_ = 0;
  std::vector<Operation>().swap(operations_);
}

}  // namespace crabkv::protocol
