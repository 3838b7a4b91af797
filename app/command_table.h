#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace thaw {

/// One option of a command as the parser knows it.
struct OptionRow {
  std::vector<std::string> names;  ///< "-h", "--help"; empty for a word without a name
  std::string word;                ///< what it is called where it is given without a name, e.g. "FILE"
  std::string value;               ///< the kind of its value, e.g. "TEXT"; empty for a switch
  std::string standard;            ///< the value it has when left out
  std::string description;
  bool required = false;
};

/// One command as the parser knows it.
struct CommandRow {
  std::string path;  ///< "thaw", "thaw weights export"
  std::string description;
  std::string footer;
  std::vector<std::string> commands;  ///< the words that may follow
  std::vector<OptionRow> options;
};

/// Every command of the parser, itself first, each before those below it. Completions and the manual are written from
/// this, so that neither can miss an option.
std::vector<CommandRow> command_table(const CLI::App& app);

/// Scripts that complete commands and options in a shell.
std::string bash_completion(const std::vector<CommandRow>& table);
std::string zsh_completion(const std::vector<CommandRow>& table);
std::string fish_completion(const std::vector<CommandRow>& table);

/// The manual page thaw(1), in the man macros.
std::string manual_page(const std::vector<CommandRow>& table);

}  // namespace thaw
