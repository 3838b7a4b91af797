#include <fmt/format.h>
#include <fmt/ranges.h>

#include "app/command_table.h"
#include "app/commands.h"
#include "app/options.h"

namespace thaw {

namespace {

std::vector<std::string> names_of(const CommandRow& command, bool with_value_only) {
  std::vector<std::string> names;
  for (const OptionRow& option : command.options) {
    if (with_value_only && option.value.empty()) continue;
    names.insert(names.end(), option.names.begin(), option.names.end());
  }
  return names;
}

/// `text` in single quotes, as all three shells read them; `escaped` is how a quote itself is written.
std::string quoted(const std::string& text, std::string_view escaped) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string(escaped) : std::string(1, c);
  return out + "'";
}

/// A description within zsh's `NAME[...]` or `NAME:...`.
std::string zsh_text(const std::string& text) {
  std::string out;
  for (const char c : text) {
    if (c == '[' || c == ']' || c == ':' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

/// What the first words of a line name: the deepest command, in the variable `at`. Runs in bash and zsh.
std::string find_command(const std::vector<CommandRow>& table, std::string_view words) {
  std::vector<std::string> paths;
  paths.reserve(table.size());
  for (const CommandRow& command : table) paths.push_back(quoted(command.path, ""));
  return fmt::format(
      "  local at=thaw word\n"
      "  for word in {}; do\n"
      "    case \"$at $word\" in\n"
      "      {}) at=\"$at $word\" ;;\n"
      "    esac\n"
      "  done\n",
      words, fmt::join(paths, "|"));
}

int run_completion(const std::string& shell, const std::vector<CommandRow>& table, Console& console) {
  const std::size_t choice = parse_choice(shell, "SHELL", {"bash", "zsh", "fish"});
  console.out << (choice == 0 ? bash_completion(table) : choice == 1 ? zsh_completion(table) : fish_completion(table));
  return 0;
}

}  // namespace

std::string bash_completion(const std::vector<CommandRow>& table) {
  std::string text = "# bash completion for thaw, written by `thaw completion bash`\n_thaw() {\n";
  text +=
      "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} options='' values='' words=''\n";
  text += find_command(table, "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\"");
  text += "  case $at in\n";
  for (const CommandRow& command : table) {
    text += fmt::format("    '{}')\n      options='{}'\n      values=' {} '\n      words='{}' ;;\n", command.path,
                        fmt::join(names_of(command, false), " "), fmt::join(names_of(command, true), " "),
                        fmt::join(command.commands, " "));
  }
  // Where a value or a free word stands, nothing is offered, and bash falls back to file names.
  text +=
      "  esac\n"
      "  COMPREPLY=()\n"
      "  [[ $before == -* && $values == *\" $before \"* ]] && return\n"
      "  [[ $current == -* ]] && words=$options\n"
      "  mapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$current\")\n"
      "}\n"
      "complete -o default -F _thaw thaw\n";
  return text;
}

std::string zsh_completion(const std::vector<CommandRow>& table) {
  std::string text = "#compdef thaw\n# zsh completion for thaw, written by `thaw completion zsh`\n_thaw() {\n";
  text += find_command(table, "\"${(@)words[2,CURRENT-1]}\"");
  text += "  local -a options commands\n  case $at in\n";
  for (const CommandRow& command : table) {
    text += fmt::format("    '{}')\n      options=(\n", command.path);
    for (const OptionRow& option : command.options) {
      for (const std::string& name : option.names) {
        const std::string spec = fmt::format("{}[{}]{}", name, zsh_text(option.description),
                                             option.value.empty() ? "" : fmt::format(":{}:_files", option.value));
        text += fmt::format("        {}\n", quoted(spec, "'\\''"));
      }
    }
    text += "      )\n      commands=(\n";
    for (const CommandRow& below : table) {
      if (below.path != command.path + " " + below.path.substr(below.path.rfind(' ') + 1)) continue;
      const std::string name = below.path.substr(below.path.rfind(' ') + 1);
      text += fmt::format("        {}\n", quoted(name + ":" + zsh_text(below.description), "'\\''"));
    }
    text += "      ) ;;\n";
  }
  text +=
      "  esac\n"
      "  if (( $#commands )) && [[ $words[CURRENT] != -* ]]; then\n"
      "    _describe command commands\n"
      "  else\n"
      "    _arguments -S $options '*:file:_files'\n"
      "  fi\n"
      "}\n"
      "if [[ $funcstack[1] == _thaw ]]; then _thaw \"$@\"; else compdef _thaw thaw; fi\n";
  return text;
}

std::string fish_completion(const std::vector<CommandRow>& table) {
  std::string text = "# fish completion for thaw, written by `thaw completion fish`\nfunction __thaw_at\n";
  text += "  set -l at thaw\n  for word in (commandline -opc)[2..-1]\n    switch \"$at $word\"\n      case";
  for (const CommandRow& command : table) text += " " + quoted(command.path, "");
  text += "\n        set at \"$at $word\"\n    end\n  end\n  test \"$at\" = \"$argv\"\nend\n";
  for (const CommandRow& command : table) {
    const std::string here = fmt::format("complete -c thaw -n '__thaw_at {}'", command.path);
    for (const CommandRow& below : table) {
      const std::string name = below.path.substr(below.path.rfind(' ') + 1);
      if (below.path != command.path + " " + name) continue;
      text += fmt::format("{} -f -a {} -d {}\n", here, name, quoted(below.description, "\\'"));
    }
    for (const OptionRow& option : command.options) {
      if (option.names.empty()) continue;
      text += here;
      for (const std::string& name : option.names) {
        text += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
      }
      text += fmt::format("{} -d {}\n", option.value.empty() ? "" : " -r", quoted(option.description, "\\'"));
    }
  }
  return text;
}

void add_completion(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "completion", "Write a script that completes thaw's commands and options.",
                                  "thaw completion bash > ~/.local/share/bash-completion/completions/thaw");
  auto shell = std::make_shared<std::string>();
  command->add_option("SHELL", *shell, "bash, zsh or fish")->required();
  command->callback([shell, &app, &action] {
    action = [shell, &app](Console& console) { return run_completion(*shell, command_table(app), console); };
  });
}

}  // namespace thaw
