#pragma once

#include <CLI/CLI.hpp>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "app/commands.h"
#include "app/session.h"
#include "kernels/error.h"

namespace thaw {

/// Adds a command to `app` and returns its parser; every command's help ends with an example.
CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description, std::string_view example);

/// When `command` is given, `action` becomes a call of `work` with the options that were read.
template <class Options>
void set_action(CLI::App* command, const std::shared_ptr<Options>& options, Action& action,
                int (*work)(const Options&, Console&)) {
  command->callback(
      [options, &action, work] { action = [options, work](Console& console) { return work(*options, console); }; });
}

/// A network that nothing is loaded into: MODEL, --unfreeze, --bn and --size, as `model`, `unfreeze`, `bn` and `size`.
template <class Options>
void add_network_options(CLI::App* command, Options& options) {
  command->add_option("MODEL", options.model, "resnet50, mobilenet_v3_large or mobilenet_v3_small")->required();
  command->add_option("--unfreeze", options.unfreeze, "none, all, blocks:N, layer:N, glob:PATTERN, joined with '+'");
  command->add_option("--bn", options.bn, "train, inference or frozen-affine");
  command->add_option("--size", options.size, "height and width of the input in pixels");
}

/// What a GPU's libraries may do: `tf32`, `fast` and `autotune` of some options.
template <class Options>
void add_gpu_options(CLI::App* command, Options& options) {
  command->add_flag("--tf32", options.tf32, "on a GPU: f32 products with mantissas of 10 bits, on tensor cores");
  command->add_flag("--fast", options.fast,
                    "on a GPU: algorithms that do not repeat bit by bit, where they are faster");
  command->add_flag(
      "--autotune", options.autotune,
      "on a GPU: choose how each convolution and norm is computed by timing; choices are kept in the cache folder");
}

void add_device_options(CLI::App* command, DeviceOptions& options);
/// --model (optional where the weights file names it) and --weights.
void add_model_options(CLI::App* command, SessionOptions& options);
void add_json_option(CLI::App* command, bool& json);

// More than this is a slip of the finger, which the system might not survive.
inline constexpr int max_threads = 1024;
inline constexpr int max_batch = 65536;
inline constexpr int max_size = 4096;  ///< of the input, in pixels

/// A check for the parser: it would read -1 as the largest number there is.
std::string not_negative(const std::string& text);

/// "on" or "off". Throws `Error` (usage) naming `option`.
bool parse_switch(std::string_view text, std::string_view option);
/// Position of `text` in `known`. Throws `Error` (usage) naming `option`, the choices and the nearest one.
std::size_t parse_choice(std::string_view text, std::string_view option, const std::vector<std::string>& known);
/// "none", or widths such as "512,256". Throws `Error` (usage) naming `option`.
std::vector<int> parse_widths(std::string_view text, std::string_view option);

/// Throws `Error` (usage) "OPTION wants RULE, not VALUE" where `holds` is false.
template <class Value>
void require_option(bool holds, std::string_view option, std::string_view rule, const Value& value) {
  if (!holds) fail(ErrorKind::usage, "{} wants {}, not {}", option, rule, value);
}

/// What is wrong with a JSON document, without the exception's own name in front, in printable ASCII.
std::string reason_of(const nlohmann::json::exception& error);

/// Prints a JSON document as people and programs read it: indented, doubles with all their digits.
void print_json(std::ostream& out, const nlohmann::json& json);

}  // namespace thaw
