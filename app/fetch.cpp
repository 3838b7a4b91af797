#include <fmt/format.h>
#include <fmt/ranges.h>

#include <chrono>

#include "app/cli.h"
#include "app/commands.h"
#include "app/options.h"
#include "app/progress.h"
#include "app/signals.h"
#include "app/version.h"
#include "data/source.h"
#include "fetch/download.h"
#include "kernels/error.h"
#include "kernels/files.h"
#include "kernels/nearest.h"
#include "weights/manifest.h"

namespace thaw {

namespace {

struct FetchOptions {
  std::vector<std::string> models;
  bool include_top = false;
  std::string url, sha256, md5;
  std::string base_url;
  std::string out;
  int tries = 5;
  bool force = false;
  bool json = false;
};

/// BASE/NAME where a mirror is given, else the official address.
std::string address(const FetchOptions& options, std::string_view name, std::string official) {
  if (options.base_url.empty()) return official;
  return fmt::format("{}{}{}", options.base_url, options.base_url.ends_with('/') ? "" : "/", name);
}

/// Throws `Error` (usage) naming the networks that have one and the nearest.
const KnownFile& official_file(const std::string& model, bool include_top) {
  if (const KnownFile* known = known_file_of_model(model, include_top)) return *known;
  std::vector<std::string> models;
  for (const KnownFile& file : known_files()) {
    if (file.trap.empty() && file.include_top == include_top) models.emplace_back(file.model_id);
  }
  fail(ErrorKind::usage, "MODEL is one of {}, not '{}'{}", fmt::join(models, ", "), model, did_you_mean(model, models));
}

RemoteFile weight_file(const FetchOptions& options, const std::string& model) {
  const KnownFile& known = official_file(model, options.include_top);
  return {.name = std::string(known.file_name),
          .url = address(options, known.file_name, download_url(known)),
          .bytes = known.bytes,
          .md5 = std::string(known.md5)};
}

std::string size_of(std::int64_t bytes) { return bytes_text(static_cast<std::uint64_t>(bytes)); }

/// Bytes a second since the first piece came.
class Rate {
 public:
  std::string text(std::uint64_t done) {
    const Clock::time_point now = Clock::now();
    if (first_ == 0) {
      first_ = done;
      start_ = now;
    }
    const double seconds = std::chrono::duration<double>(now - start_).count();
    if (seconds < 0.5) return {};
    return bytes_text(static_cast<std::uint64_t>(static_cast<double>(done - std::min(first_, done)) / seconds)) + "/s";
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_;
  std::uint64_t first_ = 0;
};

nlohmann::json to_json(const RemoteFile& file, const Download& result, double seconds) {
  nlohmann::json row = {{"name", file.name},
                        {"url", file.url},
                        {"path", result.path.string()},
                        {"state", result.end == DownloadEnd::present      ? "present"
                                  : result.end == DownloadEnd::downloaded ? "downloaded"
                                                                          : "stopped"},
                        {"bytes", result.bytes},
                        {"resumed_from", result.resumed_from},
                        {"received_bytes", result.received},
                        {"seconds", seconds}};
  row[file.sha256.empty() ? "md5" : "sha256"] = file.sha256.empty() ? file.md5 : file.sha256;
  return row;
}

std::string sentence(const RemoteFile& file, const Download& result, double seconds) {
  const std::string_view digest = file.sha256.empty() ? "md5" : "sha256";
  if (result.end == DownloadEnd::present) {
    return fmt::format("{} is there already, {} as published ({})", result.path.string(), digest,
                       bytes_text(result.bytes));
  }
  return fmt::format("{} downloaded, {} as published ({} in {}{})", result.path.string(), digest,
                     bytes_text(result.received), seconds_text(seconds),
                     result.resumed_from > 0 ? ", behind " + bytes_text(result.resumed_from) + " from before" : "");
}

Download fetch_file(const RemoteFile& file, const FetchOptions& options, const SignalGuard& signals, Console& console) {
  ProgressLine progress(console);
  Rate rate;
  std::uint64_t total = 0;
  DownloadOptions how{.force = options.force, .tries = options.tries};
  how.agent = fmt::format("thaw/{}", version());
  how.stop = [&] { return signals.requested(); };
  how.note = [&](std::string_view text) {
    progress.clear();
    console.err << "thaw: " << text << std::endl;
  };
  how.progress = [&](std::uint64_t done, std::uint64_t all) {
    if (total == 0) progress.begin(file.name, static_cast<std::int64_t>(all), static_cast<std::int64_t>(done), size_of);
    total = std::max<std::uint64_t>(all, 1);
    progress.update(static_cast<std::int64_t>(done), rate.text(done));
  };
  const std::filesystem::path folder = options.out.empty() ? cache_folder() : std::filesystem::path(options.out);
  return download(file, folder, how);
}

int fetch_all(const std::vector<RemoteFile>& files, const FetchOptions& options, Console& console) {
  require_option(options.tries >= 1 && options.tries <= 100, "--tries", "1 to 100", options.tries);
  const SignalGuard signals;
  int code = exit_ok;
  nlohmann::json report = nlohmann::json::array();
  for (const RemoteFile& file : files) {
    const auto start = std::chrono::steady_clock::now();
    const Download result = fetch_file(file, options, signals, console);
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    report.push_back(to_json(file, result, seconds));
    if (result.end == DownloadEnd::stopped) {
      console.err << fmt::format("thaw: stopped; {} of {} are kept in {}, and the same command goes on from there",
                                 bytes_text(result.bytes), file.name, result.partial.string())
                  << std::endl;
      code = signals.exit_code();
      break;
    }
    if (!options.json) console.out << sentence(file, result, seconds) << std::endl;
  }
  if (options.json) print_json(console.out, {{"files", report}});
  return code;
}

int run_flowers(const FetchOptions& options, Console& console) {
  const RemoteFile file{.name = std::string(tf_flowers.file_name),
                        .url = address(options, tf_flowers.file_name, std::string(tf_flowers.url)),
                        .bytes = tf_flowers.bytes,
                        .sha256 = std::string(tf_flowers.sha256)};
  return fetch_all({file}, options, console);
}

int run_weights(const FetchOptions& options, Console& console) {
  std::vector<RemoteFile> files;
  for (const std::string& model : options.models) files.push_back(weight_file(options, model));
  return fetch_all(files, options, console);
}

bool is_digest(std::string_view text, std::size_t digits) {
  return text.size() == digits && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

int run_file(const FetchOptions& options, Console& console) {
  require_option(options.sha256.empty() != options.md5.empty(), "thaw fetch file", "--sha256 or --md5, one of them",
                 options.md5.empty() ? "neither" : "both");
  require_option(options.sha256.empty() || is_digest(options.sha256, 64), "--sha256", "64 of the digits 0-9a-f",
                 options.sha256);
  require_option(options.md5.empty() || is_digest(options.md5, 32), "--md5", "32 of the digits 0-9a-f", options.md5);
  const std::string path = options.url.substr(0, options.url.find_first_of("?#"));
  const std::string name = path.substr(path.rfind('/') + 1);
  require_option(!name.empty() && path.find("://") != std::string::npos && name != "." && name != "..", "URL",
                 "the address of a file, such as https://example.org/photos.tgz", options.url);
  const RemoteFile file{.name = name, .url = options.url, .md5 = options.md5, .sha256 = options.sha256};
  return fetch_all({file}, options, console);
}

void add_fetch_options(CLI::App* command, FetchOptions& options) {
  command->add_option("--out", options.out,
                      "the folder to download into; left out: the cache, where thaw looks for them");
  command->add_option("--tries", options.tries, "failures in a row, without a byte in between, until it gives up");
  command->add_flag("--force", options.force, "download again what is there");
  add_json_option(command, options.json);
}

void add_mirror_option(CLI::App* command, FetchOptions& options) {
  command->add_option(
      "--base-url", options.base_url,
      "a mirror: the address of a folder that holds the same files; left out: where they are published");
}

}  // namespace

void add_fetch(CLI::App& app, Action& action) {
  CLI::App* fetch =
      add_command(app, "fetch", "Download the official photos and weights into the cache.", "thaw fetch flowers");
  fetch->require_subcommand(1);

  auto options = std::make_shared<FetchOptions>();
  CLI::App* flowers = add_command(*fetch, "flowers", "TF Flowers: flower_photos.tgz, 218 MiB.",
                                  "thaw fetch flowers --base-url https://mirror.example.org/thaw");
  add_mirror_option(flowers, *options);
  add_fetch_options(flowers, *options);
  set_action(flowers, options, action, run_flowers);

  options = std::make_shared<FetchOptions>();
  CLI::App* weights = add_command(*fetch, "weights", "ImageNet weights as Keras publishes them.",
                                  "thaw fetch weights mobilenet_v3_large resnet50 mobilenet_v3_small");
  weights->add_option("MODEL", options->models, "resnet50, mobilenet_v3_large or mobilenet_v3_small, one or more")
      ->required();
  weights->add_flag("--include-top", options->include_top, "with the ImageNet classifier");
  add_mirror_option(weights, *options);
  add_fetch_options(weights, *options);
  set_action(weights, options, action, run_weights);

  options = std::make_shared<FetchOptions>();
  CLI::App* file = add_command(*fetch, "file", "Any other file whose digest is known.",
                               "thaw fetch file https://example.org/photos.tgz --sha256 0123...cdef");
  file->add_option("URL", options->url, "an http or https address that ends in the file's name")->required();
  file->add_option("--sha256", options->sha256, "what the file's content must have, in hexadecimal");
  file->add_option("--md5", options->md5, "the same, for files that are pinned by their MD5");
  add_fetch_options(file, *options);
  set_action(file, options, action, run_file);
}

}  // namespace thaw
