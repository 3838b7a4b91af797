#include "kernels/text.h"

#include <gtest/gtest.h>

namespace thaw {
namespace {

TEST(Utf8, TakesCharactersOfOneToFourBytes) {
  EXPECT_TRUE(is_utf8(""));
  EXPECT_TRUE(is_utf8("a \u00e9 \u20ac \U0001f33b"));
  EXPECT_EQ(utf8_size("\U0001f33b", 0), 4U);
}

TEST(Utf8, RefusesWhatIsCutLongerThanNeededOrNoCharacter) {
  for (const char* broken : {"\x80", "a\xc3", "\xc0\xaf", "\xe0\x80\xaf", "\xed\xa0\x80", "\xf0\x80\x80\x80",
                             "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xc3g", "\xff"}) {
    EXPECT_FALSE(is_utf8(broken)) << broken;
  }
}

TEST(HtmlEscaped, LeavesNoMarkupAndNoControlCharacter) {
  EXPECT_EQ(html_escaped("<a b=\"c\" d='e'>&\n\x01\x7f"),
            "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;\n\xEF\xBF\xBD\xEF\xBF\xBD");
  EXPECT_EQ(html_escaped("T\u00fclin"), "T\u00fclin");
}

}  // namespace
}  // namespace thaw
