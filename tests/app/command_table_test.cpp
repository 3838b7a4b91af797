#include <gmock/gmock.h>

#include <cctype>
#include <regex>
#include <set>

#include "tests/app/support.h"

namespace thaw::testing {
namespace {

using ::testing::HasSubstr;

/// What `thaw WORDS... --help` shows; what is generated from the parser is compared with this.
std::string help_of(std::vector<std::string> words) {
  words.emplace_back("--help");
  return call(words).out;
}

std::vector<std::string> commands_in(const std::string& help) {
  std::vector<std::string> names;
  const std::size_t start = help.find("Subcommands:\n");
  if (start == std::string::npos) return names;
  std::istringstream lines(help.substr(start + 13));
  const std::regex entry("^  ([a-z]+) .*");
  std::smatch match;
  for (std::string line; std::getline(lines, line) && !line.empty();) {  // the examples behind look alike
    if (std::regex_match(line, match, entry)) names.push_back(match[1]);
  }
  return names;
}

std::set<std::string> options_in(const std::string& help) {
  std::set<std::string> names;
  std::istringstream lines(help.substr(0, help.find("Example")));
  const std::regex name("(^|,| )(--?[a-z][a-z0-9-]*)");
  for (std::string line; std::getline(lines, line);) {
    if (!line.starts_with("  -") && !line.starts_with("  DATA,--") && !line.starts_with("  MODEL,--")) continue;
    const std::string column = line.substr(0, line.find(' ', 2));
    for (std::sregex_iterator it(column.begin(), column.end(), name), end; it != end; ++it) names.insert((*it)[2]);
  }
  return names;
}

/// `use` for each command, with the words behind "thaw".
template <class Use>
void for_each_command(const std::vector<std::string>& words, const Use& use) {
  const std::string help = help_of(words);
  std::string path = "thaw";
  for (const std::string& word : words) path += " " + word;
  use(path, help);
  for (const std::string& name : commands_in(help)) {
    std::vector<std::string> below = words;
    below.push_back(name);
    for_each_command(below, use);
  }
}

/// The part of `text` from `start` to `end`, both as they stand there; "" if there is none.
std::string part(const std::string& text, const std::string& start, const std::string& end) {
  const std::size_t from = text.find(start);
  if (from == std::string::npos) return "";
  return text.substr(from, text.find(end, from + start.size()) - from);
}

/// Whether `name` occurs as a whole word.
bool has_word(const std::string& text, const std::string& name) {
  const auto within_word = [&](std::size_t at) {
    return at < text.size() && (std::isalnum(static_cast<unsigned char>(text[at])) != 0 || text[at] == '-');
  };
  for (std::size_t at = text.find(name); at != std::string::npos; at = text.find(name, at + 1)) {
    if ((at == 0 || !within_word(at - 1)) && !within_word(at + name.size())) return true;
  }
  return false;
}

TEST(CommandTable, TheHelpIsReadAsThisTestMeansTo) {
  std::size_t commands = 0;
  for_each_command({}, [&](const std::string& path, const std::string& help) {
    ++commands;
    EXPECT_TRUE(options_in(help).contains("--help")) << path << "\n" << help;
  });
  EXPECT_GE(commands, 20U);
  EXPECT_TRUE(options_in(help_of({"data", "stats"})).contains("--data"));
}

TEST(CommandTable, EveryOptionOfEveryCommandIsInBashCompletion) {
  const std::string script = call({"completion", "bash"}).out;
  for_each_command({}, [&](const std::string& path, const std::string& help) {
    const std::string entry = part(script, "    '" + path + "')\n", ";;");
    for (const std::string& name : options_in(help)) EXPECT_TRUE(has_word(entry, name)) << path << " " << name;
    for (const std::string& name : commands_in(help)) EXPECT_TRUE(has_word(entry, name)) << path << " " << name;
  });
}

TEST(CommandTable, EveryOptionOfEveryCommandIsInZshCompletion) {
  const std::string script = call({"completion", "zsh"}).out;
  for_each_command({}, [&](const std::string& path, const std::string& help) {
    const std::string entry = part(script, "    '" + path + "')\n", ") ;;");
    for (const std::string& name : options_in(help)) EXPECT_THAT(entry, HasSubstr("'" + name + "[")) << path;
    for (const std::string& name : commands_in(help)) EXPECT_THAT(entry, HasSubstr("'" + name + ":")) << path;
  });
}

TEST(CommandTable, EveryOptionOfEveryCommandIsInFishCompletion) {
  const std::string script = call({"completion", "fish"}).out;
  for_each_command({}, [&](const std::string& path, const std::string& help) {
    const std::string here = "complete -c thaw -n '__thaw_at " + path + "'";
    std::string entry;
    std::istringstream lines(script);
    for (std::string line; std::getline(lines, line);) {
      if (line.starts_with(here)) entry += line.substr(here.size()) + "\n";
    }
    for (const std::string& name : options_in(help)) {
      EXPECT_TRUE(has_word(entry, name.starts_with("--") ? "-l " + name.substr(2) : "-s " + name.substr(1)))
          << path << " " << name;
    }
    for (const std::string& name : commands_in(help)) EXPECT_TRUE(has_word(entry, "-a " + name)) << path << " " << name;
  });
}

TEST(CommandTable, EveryOptionOfEveryCommandIsInTheManual) {
  std::string page = call({"man"}).out;
  std::erase(page, '\\');  // a hyphen is written with one, and so are the changes of font
  page = std::regex_replace(page, std::regex("fB|fR|fI"), " ");
  for_each_command({}, [&](const std::string& path, const std::string& help) {
    const std::string entry = part(page, ".SS \"" + path + "\"\n", "\n.S");
    for (const std::string& name : options_in(help)) EXPECT_TRUE(has_word(entry, name)) << path << " " << name;
  });
}

TEST(CommandTable, AnUnknownShellIsAUsageError) { EXPECT_EQ(call({"completion", "tcsh"}).code, 2); }

}  // namespace
}  // namespace thaw::testing
