#include <fmt/format.h>

#include "app/commands.h"
#include "app/options.h"
#include "kernels/backend.h"

namespace thaw {

namespace {

struct DevicesOptions {
  bool json = false;
};

int run_devices(const DevicesOptions& options, Console& console) {
  nlohmann::json report = nlohmann::json::array();
  Table table({"device", "name", ">threads", ">memory", "auto dtype", "usable", "detail"});
  for (const DeviceInfo& info : devices()) {
    report.push_back({{"device", info.backend},
                      {"name", info.name},
                      {"detail", info.detail},
                      {"threads", info.threads},
                      {"memory_bytes", info.memory_bytes},
                      {"auto_dtype", name_of(info.best_dtype)},
                      {"usable", info.usable}});
    table.add({info.backend, info.name, std::to_string(info.threads),
               info.memory_bytes > 0 ? bytes_text(info.memory_bytes) : "-", std::string(name_of(info.best_dtype)),
               info.usable ? "yes" : "no", info.detail});
  }
  if (options.json) {
    print_json(console.out, {{"devices", report}});
  } else {
    console.out << table.text();
  }
  return 0;
}

}  // namespace

void add_devices(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "devices", "The devices of this machine, best first.", "thaw devices --json");
  auto options = std::make_shared<DevicesOptions>();
  add_json_option(command, options->json);
  set_action(command, options, action, run_devices);
}

}  // namespace thaw
