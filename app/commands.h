#pragma once

#include <CLI/CLI.hpp>
#include <functional>

#include "app/terminal.h"

namespace thaw {

/// What a command does once its options are read; returns the exit code.
using Action = std::function<int(Console&)>;

// Each of these adds one command to the parser. When the command is given, `action` becomes what it does.
void add_train(CLI::App& app, Action& action);
void add_eval(CLI::App& app, Action& action);
void add_predict(CLI::App& app, Action& action);
void add_features(CLI::App& app, Action& action);
void add_describe(CLI::App& app, Action& action);
void add_plan(CLI::App& app, Action& action);
void add_trace(CLI::App& app, Action& action);
void add_weights(CLI::App& app, Action& action);
void add_data(CLI::App& app, Action& action);
void add_grid(CLI::App& app, Action& action);
void add_fetch(CLI::App& app, Action& action);
void add_devices(CLI::App& app, Action& action);
void add_bench(CLI::App& app, Action& action);
// What these two print is made from all the commands of `app`, whenever those are added.
void add_completion(CLI::App& app, Action& action);
void add_manual(CLI::App& app, Action& action);

}  // namespace thaw
