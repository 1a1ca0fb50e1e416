// Keys in the order of the index: each is read from its record, because the index knows fingerprints only.
#include "native/core/coding.h"
#include "native/core/store_impl.h"

namespace crabkv {

Status StoreImpl::NextKeys(uint64_t cursor, uint32_t keys_max, ReadBuffer* keys, uint32_t* count,
                           uint64_t* next_cursor) {
  CRABKV_RETURN_IF_ERROR(RefuseRead());
  std::vector<IndexPlace> places;
  *count = 0;
  *next_cursor = index_.Walk(cursor, keys_max, &places);
  for (const IndexPlace& place : places) {
    const uint64_t begin = keys->size();
    keys->Extend(4);
    bool found = false;
    CRABKV_RETURN_IF_ERROR(ReadKeyOf(place.slot, place.fingerprint, false, keys, &found));
    if (!found) {
      keys->Shrink(begin);
      continue;
    }
    PutU32(keys->data() + begin, static_cast<uint32_t>(keys->size() - begin - 4));
    (*count)++;
  }
  return Status::Ok();
}

}  // namespace crabkv
