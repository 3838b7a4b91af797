#include "app/cli.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <new>
#include <string>
#include <vector>

#include "app/commands.h"
#include "app/terminal.h"
#include "app/version.h"
#include "kernels/nearest.h"

namespace thaw {

namespace {

constexpr std::string_view kFooter =
    "Exit codes: 0 ok, 1 failed, 2 usage, 3 bad data or weights, 4 device, 5 mismatch, 129/130/143 interrupted.\n"
    "Example:\n"
    "  thaw train --model mobilenet_v3_small --weights mobilenet_v3_small_imagenet_notop.h5 \\\n"
    "    --data flower_photos.tgz --unfreeze blocks:3 --bn inference --dropout 0.2 --out runs/first\n"
    "`thaw COMMAND --help` explains a command.\n";

void add_commands(CLI::App& app, Action& action) {
  add_train(app, action);
  add_eval(app, action);
  add_predict(app, action);
  add_features(app, action);
  add_describe(app, action);
  add_plan(app, action);
  add_trace(app, action);
  add_weights(app, action);
  add_data(app, action);
  add_grid(app, action);
  add_fetch(app, action);
  add_devices(app, action);
  add_bench(app, action);
  add_completion(app, action);
  add_manual(app, action);
}

/// The command that the parser was in when it gave up.
CLI::App* deepest(CLI::App* app) {
  for (;;) {
    const std::vector<CLI::App*> given = app->get_subcommands();
    if (given.empty()) return app;
    app = given.back();
  }
}

std::string full_name(const CLI::App* app) {
  const CLI::App* parent = app->get_parent();
  return parent == nullptr ? app->get_name() : full_name(parent) + " " + app->get_name();
}

std::vector<std::string> option_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

std::vector<std::string> command_names(const CLI::App* app) {
  std::vector<std::string> names;
  for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(command->get_name());
  }
  return names;
}

/// One sentence on why the arguments cannot be read. What nobody knows is named first: it explains what is missing.
std::string explain(CLI::App& app, const CLI::ParseError& error) {
  CLI::App* command = deepest(&app);
  const std::string name = full_name(command);
  const std::vector<std::string> commands = command_names(command);
  for (const std::string& word : app.remaining(true)) {
    if (word.size() > 1 && word.starts_with('-') && word != "--") {
      const std::string option = word.substr(0, word.find('='));
      return fmt::format("unknown option '{}' for `{}`{} (`{} --help` lists them)", option, name,
                         did_you_mean(option, option_names(command)), name);
    }
    if (!commands.empty()) {
      return fmt::format("unknown command '{}'{} (`{} --help` lists them)", word, did_you_mean(word, commands), name);
    }
    return fmt::format("`{}` takes no further argument, but there is '{}'; see `{} --help`", name, word, name);
  }
  if (!commands.empty()) return fmt::format("`{}` wants a command; `{} --help` lists them", name, name);
  std::string what = error.what();
  constexpr std::string_view unreadable = "Could not convert: ", repeated = ": At Most 1 required but received ";
  if (what.starts_with(unreadable)) {
    what = fmt::format("{} cannot be read: expected a number that fits", what.substr(unreadable.size()));
  } else if (const std::size_t at = what.find(repeated); at != std::string::npos) {
    what = fmt::format("{} is given {} times; give it once", what.substr(0, at), what.substr(at + repeated.size()));
  }
  return fmt::format("{}; see `{} --help`", what, name);
}

int complain(Console& console, std::string_view sentence, int code) {
  console.err << "thaw: " << sentence << std::endl;
  return code;
}

int parse_and_run(int argc, const char* const* argv, Console& console) {
  CLI::App app("thaw: which layers of a pretrained network should be unfrozen?", "thaw");
  app.require_subcommand(1);
  app.set_version_flag("--version", "thaw " + std::string(version()));
  app.footer(std::string(kFooter));
  Action action;
  add_commands(app, action);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {
    return app.exit(asked, console.out, console.err);
  } catch (const CLI::ParseError& error) {
    return complain(console, explain(app, error), exit_usage);
  }
  const int code = action(console);
  console.out.flush();
  if (!console.out) return complain(console, "the report could not be written: is the disk full?", exit_failed);
  return code;
}

}  // namespace

ExitCode exit_code_of(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::failed: return exit_failed;
    case ErrorKind::usage: return exit_usage;
    case ErrorKind::data: return exit_data;
    case ErrorKind::device: return exit_device;
    case ErrorKind::mismatch: return exit_mismatch;
  }
  return exit_failed;
}

int run(int argc, const char* const* argv, std::ostream& out, std::ostream& err) {
  Console console = make_console(out, err);
  try {
    return parse_and_run(argc, argv, console);
  } catch (const Error& error) {
    return complain(console, error.what(), exit_code_of(error.kind()));
  } catch (const std::bad_alloc&) {
    return complain(console, "there is not enough memory; try a smaller --batch or --size", exit_failed);
  } catch (const std::exception& error) {
    return complain(console, error.what(), exit_failed);
  }
}

}  // namespace thaw
