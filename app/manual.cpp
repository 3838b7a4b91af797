#include <fmt/format.h>
#include <fmt/ranges.h>

#include <string_view>

#include "app/command_table.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/version.h"

namespace thaw {

namespace {

constexpr std::string_view introduction =
    ".SH DESCRIPTION\n"
    "Fine-tunes pretrained convolutional networks and studies which of their layers should be unfrozen.\n";

constexpr std::string_view environment =
    ".SH EXIT STATUS\n"
    ".TP\n0\nok\n.TP\n1\nfailed\n.TP\n2\nusage: an option, selector or name that does not exist\n"
    ".TP\n3\nbad data or weights\n.TP\n4\ndevice\n.TP\n5\nmismatch\n"
    ".TP\n130, 143\ninterrupted (Ctrl\\-C, SIGTERM); what was done is saved\n"
    ".SH ENVIRONMENT\n"
    ".TP\n.B THAW_CACHE\nthe folder for downloads and for computed values that can be used again; left out: "
    "\\fI$XDG_CACHE_HOME/thaw\\fR, else \\fI~/.cache/thaw\\fR\n"
    ".TP\n.B https_proxy, http_proxy, no_proxy\nthe way of downloads, as curl reads them\n"
    ".TP\n.B NO_COLOR\nany value: no bold letters\n";

/// Text as troff prints it unchanged: no line begins with a control character, hyphens stay ASCII.
std::string plain(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool line_start = out.empty() || out.back() == '\n';
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '\\') {
      out += "\\e";
    } else if (c == '-') {
      out += "\\-";
    } else {
      out += c;
    }
  }
  return out;
}

std::string option_entry(const OptionRow& option) {
  std::vector<std::string> names = option.names;
  if (!option.word.empty()) names.push_back(option.word);
  std::string text = fmt::format(".TP\n\\fB{}\\fR", plain(fmt::format("{}", fmt::join(names, ", "))));
  if (!option.value.empty() && !option.names.empty()) text += fmt::format(" \\fI{}\\fR", plain(option.value));
  text += "\n" + plain(option.description);
  if (option.required) text += " (required)";
  if (!option.standard.empty() && !option.value.empty()) text += plain(fmt::format(" [{}]", option.standard));
  return text + "\n";
}

/// Headline, what it does, options, and the examples of its help.
std::string command_entry(const CommandRow& command) {
  std::string text = fmt::format(".SS \"{}\"\n{}\n", plain(command.path), plain(command.description));
  for (const OptionRow& option : command.options) text += option_entry(option);
  const std::string_view footer = command.footer;
  const std::size_t example = footer.find("Example:\n");
  if (example == std::string_view::npos) return text;
  return text + fmt::format(".PP\nExample:\n.PP\n.nf\n{}.fi\n", plain(footer.substr(example + 9)));
}

}  // namespace

std::string manual_page(const std::vector<CommandRow>& table) {
  std::string text = "'\\\" written by `thaw man`\n";
  text += fmt::format(".TH THAW 1 \"\" \"thaw {}\" \"User Commands\"\n.SH NAME\nthaw \\- {}\n", version(),
                      "unfreeze and fine\\-tune pretrained convolutional networks");
  text += ".SH SYNOPSIS\n";
  for (const CommandRow& command : table) {
    if (!command.commands.empty()) continue;
    text += fmt::format(".B {}\n[\\fIoptions\\fR]\n.br\n", plain(command.path));
  }
  text += introduction;
  text += ".SH COMMANDS\n";
  for (const CommandRow& command : table) text += command_entry(command);
  text += environment;
  return text;
}

void add_manual(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "man", "Write the manual page.", "thaw man | man -l -");
  command->callback([&app, &action] {
    action = [&app](Console& console) {
      console.out << manual_page(command_table(app));
      return 0;
    };
  });
}

}  // namespace thaw
