#include "data/synth.h"

#include <algorithm>
#include <cmath>
#include <string>

#include "data/flowers.h"
#include "data/parallel.h"
#include "data/random.h"
#include "kernels/error.h"
#include "kernels/files.h"

namespace thaw {
namespace fs = std::filesystem;

namespace {

constexpr std::string_view note_name = "DRAWN_BY_THAW.txt";
constexpr int samples_a_side = 3;  // of each pixel, against jagged edges
constexpr int blob_count = 9;
constexpr int jpeg_quality = 92;

/// What is behind the flower: two colours from top to bottom, and soft blobs out of focus.
struct Backdrop {
  struct Blob {
    double x, y, radius, strength;
    Colour colour;
  };
  Colour top, bottom;
  std::array<Blob, blob_count> blobs;
};

Backdrop random_backdrop(RandomSequence& random) {
  static constexpr std::array<std::array<Colour, 2>, 5> palettes{{
      {{{0.35, 0.55, 0.25}, {0.15, 0.32, 0.12}}},  // meadow
      {{{0.5, 0.7, 0.92}, {0.45, 0.6, 0.4}}},      // sky
      {{{0.45, 0.35, 0.26}, {0.25, 0.18, 0.13}}},  // earth
      {{{0.32, 0.3, 0.42}, {0.14, 0.15, 0.2}}},    // dusk
      {{{0.76, 0.72, 0.64}, {0.52, 0.5, 0.45}}},   // wall
  }};
  const auto& palette = palettes[static_cast<std::size_t>(random.integer(0, 4))];
  const double light = random.uniform(0.8, 1.15);
  Backdrop backdrop;
  const auto lit = [light](const Colour& c) { return Colour{c.r * light, c.g * light, c.b * light}; };
  backdrop.top = lit(palette[0]);
  backdrop.bottom = lit(palette[1]);
  for (auto& blob : backdrop.blobs) {
    const Colour base = mix(backdrop.top, backdrop.bottom, random.uniform(-0.3, 1.3));
    blob.x = random.uniform(0, 1);
    blob.y = random.uniform(0, 1);
    blob.radius = random.uniform(0.05, 0.25);
    blob.strength = random.uniform(0.2, 0.7);
    blob.colour = {base.r * random.uniform(0.7, 1.3), base.g * random.uniform(0.7, 1.3),
                   base.b * random.uniform(0.7, 1.3)};
  }
  return backdrop;
}

Colour backdrop_at(const Backdrop& backdrop, double x, double y) {
  Colour colour = mix(backdrop.top, backdrop.bottom, y);
  for (const auto& blob : backdrop.blobs) {
    const double dx = (x - blob.x) / blob.radius, dy = (y - blob.y) / blob.radius;
    const double near = std::max(0.0, 1 - dx * dx - dy * dy);
    colour = mix(colour, blob.colour, blob.strength * near);
  }
  return colour;
}

Colour colour_at(const Backdrop& backdrop, const FlowerScene& scene, double x, double y) {
  Colour colour = backdrop_at(backdrop, x, y);
  for (const Paint& paint : {paint_green(scene, x, y), paint_head(scene, x, y)})
    colour = mix(colour, paint.colour, paint.cover);
  return colour;
}

/// The mean over a pixel's samples.
Colour pixel_colour(const Backdrop& backdrop, const FlowerScene& scene, int x, int y, int size) {
  const double step = 1.0 / (size * samples_a_side);
  Colour sum;
  for (int v = 0; v < samples_a_side; ++v) {
    for (int u = 0; u < samples_a_side; ++u) {
      const Colour c =
          colour_at(backdrop, scene, (x * samples_a_side + u + 0.5) * step, (y * samples_a_side + v + 0.5) * step);
      sum = {sum.r + c.r, sum.g + c.g, sum.b + c.b};
    }
  }
  constexpr double share = 1.0 / (samples_a_side * samples_a_side);
  return {sum.r * share, sum.g * share, sum.b * share};
}

std::uint8_t to_byte(double value) { return static_cast<std::uint8_t>(std::clamp(std::lround(value * 255), 0L, 255L)); }

void check_size(int size) {
  if (size < 1 || size > 4096) fail(ErrorKind::usage, "[synth] pictures of {} pixels a side: draw 1 to 4096", size);
}

/// Empties an earlier drawing; refuses to touch anything else.
void claim_folder(const fs::path& folder) {
  std::error_code error;
  const bool occupied = fs::exists(folder, error) && (!fs::is_directory(folder) || !fs::is_empty(folder, error));
  if (occupied && !fs::exists(folder / note_name)) {
    fail(ErrorKind::usage, "'{}' exists and holds something else than drawn flowers; give a new or empty folder",
         folder.string());
  }
  for (const std::string_view name : synthetic_class_names()) fs::remove_all(folder / name, error);
}

}  // namespace

const std::array<std::string_view, 5>& synthetic_class_names() {
  static constexpr std::array<std::string_view, 5> names{"drawn_daisy", "drawn_dandelion", "drawn_rose",
                                                         "drawn_sunflower", "drawn_tulip"};
  return names;
}

Image draw_flower(int kind, std::uint64_t seed, int size) {
  if (kind < 0 || kind >= flower_kinds) {
    fail(ErrorKind::usage, "[synth] there is no flower {}; the kinds are 0 to {}", kind, flower_kinds - 1);
  }
  check_size(size);
  RandomSequence random(seed, stream_of(RandomStream::drawing, static_cast<std::uint32_t>(kind)));
  const FlowerScene scene = random_scene(kind, random);
  const Backdrop backdrop = random_backdrop(random);
  const double exposure = random.uniform(0.85, 1.1), noise = random.uniform(0.01, 0.05);

  Image image{size, size, {}};
  image.rgb.reserve(static_cast<std::size_t>(size) * static_cast<std::size_t>(size) * 3);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const Colour colour = pixel_colour(backdrop, scene, x, y, size);
      for (const double channel : {colour.r, colour.g, colour.b})
        image.rgb.push_back(to_byte(channel * exposure + random.uniform(-noise, noise)));
    }
  }
  return image;
}

void draw_synthetic_flowers(const fs::path& folder, const SynthOptions& options) {
  if (options.per_class < 1 || options.per_class > 100'000) {
    fail(ErrorKind::usage, "[synth] {} pictures a class: draw 1 to 100000", options.per_class);
  }
  check_size(options.size);
  claim_folder(folder);
  write_file_atomically(folder / note_name,
                        fmt::format("Not photos: flowers drawn by 'thaw data synth' with seed {}, {} a class.\n",
                                    options.seed, options.per_class));
  parallel_for(flower_kinds * options.per_class, 0, [&](int i) {
    const int kind = i / options.per_class, number = i % options.per_class;
    const std::string_view name = synthetic_class_names()[static_cast<std::size_t>(kind)];
    const std::uint64_t seed =
        counter_random(options.seed, stream_of(RandomStream::drawing, 1000), static_cast<std::uint64_t>(number));
    write_file_atomically(folder / name / fmt::format("{}_{:04}.jpg", name, number),
                          encode_jpeg(draw_flower(kind, seed, options.size), jpeg_quality));
  });
}

}  // namespace thaw
