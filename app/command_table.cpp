#include "app/command_table.h"

namespace thaw {

namespace {

OptionRow row_of(const CLI::Option& option) {
  OptionRow row;
  for (const std::string& name : option.get_snames()) row.names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) row.names.push_back("--" + name);
  if (option.get_positional()) row.word = option.get_name(true);
  if (option.get_type_size() != 0) row.value = option.get_type_name();
  row.standard = option.get_default_str();
  row.description = option.get_description();
  row.required = option.get_required();
  return row;
}

void add_rows(const CLI::App& app, const std::string& above, std::vector<CommandRow>& table) {
  CommandRow row{.path = above.empty() ? app.get_name() : above + " " + app.get_name(),
                 .description = app.get_description(),
                 .footer = app.get_footer(),
                 .commands = {},
                 .options = {}};
  for (const CLI::Option* option : app.get_options()) row.options.push_back(row_of(*option));
  const auto below = app.get_subcommands([](const CLI::App*) { return true; });
  for (const CLI::App* command : below) row.commands.push_back(command->get_name());
  const std::string path = row.path;
  table.push_back(std::move(row));
  for (const CLI::App* command : below) add_rows(*command, path, table);
}

}  // namespace

std::vector<CommandRow> command_table(const CLI::App& app) {
  std::vector<CommandRow> table;
  add_rows(app, "", table);
  return table;
}

}  // namespace thaw
