#include "app/whole_number.h"

#include <gtest/gtest.h>

namespace thaw {
namespace {

TEST(WholeNumber, IsWhatTheDocumentSays) {
  EXPECT_EQ(whole_number<int>(nlohmann::json::parse("-7")), -7);
  EXPECT_EQ(whole_number<int>(nlohmann::json::parse("2147483647")), 2147483647);
  EXPECT_EQ(whole_number<std::uint64_t>(nlohmann::json::parse("18446744073709551615")), 18446744073709551615U);
}

TEST(WholeNumber, IsNeverAnotherOneThanTheDocumentSays) {
  for (const char* text : {"2147483648", "-2147483649", "1.5", "1e300", "18446744073709551616", "\"7\"", "null"}) {
    EXPECT_THROW(whole_number<int>(nlohmann::json::parse(text)), nlohmann::json::type_error) << text;
  }
  EXPECT_THROW(whole_number<std::uint64_t>(nlohmann::json::parse("-1")), nlohmann::json::type_error);
}

}  // namespace
}  // namespace thaw
