// Numbers on disk: the byte order is part of the format.
#include "native/core/coding.h"

#include <string_view>

#include "test/native/harness.h"

namespace crabkv {

TEST(Numbers_are_written_little_endian_at_any_alignment) {
  char bytes[17];
  for (int shift = 0; shift < 8; shift++) {
    char* p = bytes + shift;
    PutU16(p, 0x0102);
    EXPECT_EQ(std::string_view(p, 2), std::string_view("\2\1", 2));
    EXPECT_EQ(GetU16(p), 0x0102);
    PutU32(p, 0x01020304);
    EXPECT_EQ(std::string_view(p, 4), std::string_view("\4\3\2\1", 4));
    EXPECT_EQ(GetU32(p), 0x01020304u);
    PutU64(p, 0xf102030405060708);
    EXPECT_EQ(std::string_view(p, 8), std::string_view("\10\7\6\5\4\3\2\xf1", 8));
    EXPECT_EQ(GetU64(p), 0xf102030405060708u);
  }
}

}  // namespace crabkv
