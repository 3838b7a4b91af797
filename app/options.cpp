#include "app/options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>

#include "grid/json_fields.h"
#include "kernels/error.h"
#include "kernels/nearest.h"

namespace thaw {

CLI::App* add_command(CLI::App& app, const std::string& name, const std::string& description,
                      std::string_view example) {
  CLI::App* command = app.add_subcommand(name, description);
  command->footer(fmt::format("Example:\n  {}\n", example));
  command->option_defaults()->always_capture_default();
  return command;
}

void add_device_options(CLI::App* command, DeviceOptions& options) {
  command->add_option("--device", options.device, "auto (the best there is), cpu, cuda or reference");
  command->add_option("--dtype", options.dtype, "of activations: f32, bf16, auto (what the device is best at), f64");
  command->add_option("--threads", options.threads, "processor threads; 0: all");
  add_gpu_options(command, options);
}

void add_model_options(CLI::App* command, SessionOptions& options) {
  command->add_option("--model", options.model,
                      "resnet50, mobilenet_v3_large or mobilenet_v3_small; may be left out where the weights say it");
  command->add_option("--weights", options.weights, "a Keras or thaw .h5 file, none (random) or synth (deterministic)")
      ->required();
}

void add_json_option(CLI::App* command, bool& json) {
  command->add_flag("--json", json, "print the report as JSON and nothing else on the standard output");
}

std::string not_negative(const std::string& text) {
  return text.starts_with('-') ? fmt::format("wants 0 or more, not {}", text) : std::string();
}

bool parse_switch(std::string_view text, std::string_view option) {
  if (text != "on" && text != "off") fail(ErrorKind::usage, "{} is on or off, not '{}'", option, text);
  return text == "on";
}

std::size_t parse_choice(std::string_view text, std::string_view option, const std::vector<std::string>& known) {
  const auto found = std::find(known.begin(), known.end(), text);
  if (found == known.end()) {
    fail(ErrorKind::usage, "{} is one of {}, not '{}'{}", option, fmt::join(known, ", "), text,
         did_you_mean(text, known));
  }
  return static_cast<std::size_t>(found - known.begin());
}

std::vector<int> parse_widths(std::string_view text, std::string_view option) {
  std::vector<int> widths;
  if (text == "none" || text.empty()) return widths;
  const char* at = text.data();
  const char* const end = at + text.size();
  for (;;) {
    int width = 0;
    const auto [stop, error] = std::from_chars(at, end, width);
    if (error != std::errc() || width < 1 || (stop != end && *stop != ',')) {
      fail(ErrorKind::usage, "{} wants none or widths such as 512,256, not '{}'", option, text);
    }
    widths.push_back(width);
    if (stop == end) return widths;
    at = stop + 1;
  }
}

std::string reason_of(const nlohmann::json::exception& error) { return grid::reason_of(error); }

void print_json(std::ostream& out, const nlohmann::json& json) { out << json.dump(2) << "\n"; }

}  // namespace thaw
