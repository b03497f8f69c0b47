#include "interpose/launcher_options.h"

#include <charconv>
#include <memory>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

namespace vervet::launcher {
namespace {

constexpr const char* environment_help =
    "What no option says, the environment may: VERVET_WORKERS, VERVET_STACK_SIZE,\n"
    "VERVET_THREADS, VERVET_STATS=1, and VERVET_TICK, the time after which a thread that\n"
    "computes makes room for others (default 10ms).\n"
    "Exit status: the program's; 2 for a bad command line, 126 if the program cannot be run\n"
    "under vervet, 127 if it is not found.";

std::optional<unsigned> parse_workers(std::string_view text) {
  unsigned value = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  if (value < 1 || value > max_workers) return std::nullopt;
  return value;
}

std::optional<size_t> parse_stack_size(std::string_view text) {
  std::optional<size_t> size = parse_size(text);
  if (!size || *size < min_stack_size || *size > max_stack_size) return std::nullopt;
  return size;
}

// A check whose complaint names the value and the accepted range.
CLI::Validator accepts(bool (*valid)(std::string_view), const std::string& range) {
  return CLI::Validator(
      [valid, range](std::string& value) {
        return valid(value) ? std::string() : "'" + value + "' is not accepted: " + range;
      },
      "");
}

struct usage_formatter : CLI::Formatter {
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: vervet [options] program [arguments...]\n";
  }
};

parsed refuse(const std::string& why) { return {std::nullopt, 2, why}; }

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::optional<size_t> parse_size(std::string_view text) {
  size_t value = 0;
  const char* last = text.data() + text.size();
  auto [end, error] = std::from_chars(text.data(), last, value);
  if (error != std::errc()) return std::nullopt;
  if (end == last) return value;
  if (end + 1 != last) return std::nullopt;

  int shift = 0;
  switch (*end) {
    case 'k':
    case 'K': shift = 10; break;
    case 'm':
    case 'M': shift = 20; break;
    case 'g':
    case 'G': shift = 30; break;
    default: return std::nullopt;
  }
  if (value > (SIZE_MAX >> shift)) return std::nullopt;
  return value << shift;
}

parsed parse_command_line(const std::vector<std::string>& arguments, const std::string& version) {
  std::string workers, stack_size, threads;
  options wanted;

  CLI::App app("Runs an unmodified threaded program with every thread as a fiber.", "vervet");
  app.formatter(std::make_shared<usage_formatter>());
  app.footer(environment_help);
  app.set_version_flag("--version", "vervet " + version, "print the version and exit");
  app.set_help_flag("--help,-h", "print this help and exit");
  app.prefix_command();
  app.option_defaults()->multi_option_policy(CLI::MultiOptionPolicy::TakeLast);
  app.add_option("--workers", workers, "run queues, as many fibers run at a time (default: CPUs)")
      ->type_name("1..256")
      ->check(accepts([](std::string_view v) { return parse_workers(v).has_value(); },
                      "a number from 1 to 256"));
  app.add_option("--stack-size", stack_size, "default stack of a thread; suffix K, M or G")
      ->type_name("16K..1G")
      ->check(accepts([](std::string_view v) { return parse_stack_size(v).has_value(); },
                      "a size from 16K to 1G, in bytes or with a suffix K, M or G"));
  app.add_option("--threads", threads, "what a thread becomes (default: fiber)")
      ->type_name("fiber|native")
      ->check(accepts([](std::string_view v) { return v == "fiber" || v == "native"; },
                      "fiber or native"));
  app.add_flag("--stats", wanted.stats, "print what the run cost to stderr at exit");

  // CLI11 takes its arguments last first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    return {std::nullopt, 0, app.help()};
  } catch (const CLI::CallForVersion& call) {
    return {std::nullopt, 0, std::string(call.what()) + "\n"};
  } catch (const CLI::ParseError& error) {
    return refuse(first_line(error.what()));
  }

  wanted.command = app.remaining();
  bool options_ended = !wanted.command.empty() && wanted.command.front() == "--";
  if (options_ended) wanted.command.erase(wanted.command.begin());
  if (wanted.command.empty()) return refuse("no program given; vervet --help shows the usage");
  // CLI11 keeps an option it does not know and goes on; here it is the program's place.
  if (!options_ended && wanted.command.front().starts_with('-'))
    return refuse("unknown option '" + wanted.command.front() + "'; see vervet --help");

  if (!workers.empty()) wanted.workers = parse_workers(workers);
  if (!stack_size.empty()) wanted.stack_size = parse_stack_size(stack_size);
  if (!threads.empty()) wanted.threads = threads;
  return {wanted, 0, {}};
}

}  // namespace vervet::launcher
