import FleetHarness
import Foundation
import Testing

extension IntegrationTests {
    @Suite struct ConfigurationTests {
        /// What is wrong, and what is said of it.
        private typealias Mistake = (
            arguments: [String], environment: [String: String], said: String
        )

        private static let sound = ["--id", "till-1", "--data", "/nowhere"]

        @Test func `every mistake is named with its place before anything starts`() async throws {
            try await withHome { home in
                let file = "\(home)/agent.yaml"
                let yaml = "id: till-1\ndata: \(home)/d\n# a comment\nlog:\n  levle: info\n"
                try yaml.write(toFile: file, atomically: true, encoding: .utf8)
                let mistakes: [Mistake] =
                    [
                        (
                            Self.sound + ["--brokr", "mqtt://x"], [:],
                            "--brokr is not known; did you mean --broker?"
                        ),
                        (Self.sound + ["--listen", "somewhere"], [:], "--listen: listen "),
                        (Self.sound + ["--log-level", "loud"], [:], "--log-level: log.level must"),
                        (
                            Self.sound + ["--limits-storage", "4 apples"], [:],
                            "limits.storage must"
                        ),
                        (
                            Self.sound + ["--limits-storage", "50"], [:],
                            "limits.storage: must be at least 2MiB, not 50"
                        ),
                        (
                            Self.sound + ["--retention", "100d"], [:],
                            "retention: 100d is longer than idempotency.retention, which is 90d"
                        ),
                        (Self.sound + ["--broker"], [:], "--broker needs a value"),
                        (Self.sound + ["stray"], [:], "\"stray\" is not expected here"),
                        (["--data", "/nowhere"], [:], "id is missing"),
                        (["--id", "till-1"], [:], "data is missing"),
                        (
                            Self.sound, ["TRIBUTARY_LISTEM": "x"],
                            "TRIBUTARY_LISTEM is not known; did you mean TRIBUTARY_LISTEN?"
                        ),
                        (Self.sound, ["TRIBUTARY_LOG_FORMAT": "xml"], "TRIBUTARY_LOG_FORMAT: "),
                        (
                            ["--config", file], [:],
                            "\(file):5: log.levle is not known; did you mean log.level?"
                        ),
                        (["--config", "\(home)/none.yaml"], [:], "none.yaml: cannot be read"),
                        (Self.sound + ["--listen", "0.0.0.0:0"], [:], "0.0.0.0"),
                        (["--id", "Till 1", "--data", "/nowhere"], [:], "id "),
                        (Self.sound + ["--broker", "http://x"], [:], "broker"),
                    ]
                for (arguments, environment, said) in mistakes {
                    for command in [["run"], ["config", "check"]] {
                        let result = try Program.agent(
                            command + arguments, in: home, environment: environment)
                        let label = "\(command) \(arguments) \(environment): \(result.output)"
                        // A command that is written wrongly is a matter of usage (sysexits.h).
                        let isUsage =
                            said.hasPrefix("--brokr") || said.contains("needs a value")
                            || said.contains("not expected")
                        #expect(result.exit == .status(isUsage ? 64 : 78), "\(label)")
                        #expect(result.output.contains(said), "\(label)")
                    }
                }
                #expect(!FileManager.default.fileExists(atPath: "\(home)/d"))
            }
        }

        @Test func `config show gives each value and where it came from, and no secret`()
            async throws
        {
            try await withHome { home in
                let file = "\(home)/agent.yaml"
                let yaml = "data: /from/file\nlisten: 127.0.0.1:7777\nlog:\n  level: debug\n"
                try yaml.write(toFile: file, atomically: true, encoding: .utf8)
                let arguments = ["--id", "till-1", "--config=\(file)", "--log-level=error"]
                let environment = [
                    "TRIBUTARY_LISTEN": "127.0.0.1:8888", "TRIBUTARY_BROKER_PASSWORD": "hush-hush",
                ]
                let shown = try Program.agent(
                    ["config", "show"] + arguments, in: home, environment: environment)
                #expect(shown.exit == .status(0))
                let lines = shown.output.split(separator: "\n").map {
                    $0.split(separator: " ").joined(separator: " ")
                }
                for line in [
                    "id till-1 (--id)", "data /from/file (\(file):1)",
                    "listen 127.0.0.1:8888 (TRIBUTARY_LISTEN)", "log.level error (--log-level)",
                    "broker.password (secret) (TRIBUTARY_BROKER_PASSWORD)",
                    "broker mqtt://127.0.0.1:1883 (default)",
                ] {
                    #expect(lines.contains(line), "\(line) in \(lines)")
                }
                #expect(!shown.output.contains("hush-hush"))
                let check = try Program.agent(
                    ["config", "check"] + arguments, in: home, environment: environment)
                #expect(check.exit == .status(0))
                #expect(check.output == "The configuration is sound.\n")
            }
        }

        @Test(arguments: ["tributary-agent", "tributary-aggregator", "tributary-trace"])
        func `help fits 80 columns and names every command, and the version is said`(
            name: String
        ) async throws {
            try await withHome { home in
                let help = try Program.run(name, ["--help"], in: home)
                #expect(help.exit == .status(0))
                for line in help.output.split(separator: "\n") {
                    #expect(line.count <= 80, "\(line)")
                }
                let commands =
                    name == "tributary-trace"
                    ? ["why", "journey", "fleet", "verify"]
                    : ["run", "config check", "config show"]
                for command in commands { #expect(help.output.contains(command), "\(command)") }
                let version = try Program.run(name, ["--version"], in: home)
                #expect(version.exit == .status(0))
                #expect(version.output.contains(#/\d+\.\d+\.\d+/#))
                let unknown = try Program.run(name, ["rnu"], in: home)
                #expect(unknown.exit == .status(name == "tributary-trace" ? 2 : 64))
            }
        }
    }
}
