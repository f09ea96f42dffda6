import DaemonSupport
import Foundation
import Testing

private struct Failure: Error, CustomStringConvertible {
    var description: String { "it\nfailed" }
}

private let command = DaemonCommand(
    name: "tributary-agent",
    abstract:
        "The Tributary agent: records transactions on this device and syncs them when it can.",
    keys: Example.keys,
    subcommands: [
        DaemonCommand.Subcommand(
            "backup", operands: ["FILE"],
            abstract: "copy the data into a file, which takes as long as there is data, and says "
                + "nothing before it is done",
            needless: [Example.keys[0]]
        ) { _, _, operands in
            print("backed up into \(operands[0])")
        }
    ],
    check: { settings in
        if settings[.brokerUser] != nil, settings[.brokerPassword] == nil {
            throw ConfigurationProblems(sentences: ["broker.user is given without broker.password"])
        }
    },
    run: { settings, logger in
        if settings[.broker] == "mqtt://fails" { throw Failure() }
        logger.debug("ran", metadata: ["agent.id": "\(settings[.data] ?? "none")"])
    })

private func ask(_ arguments: [String], _ environment: [String: String] = [:]) async -> (
    status: Int32, heard: Heard
) {
    let heard = Heard()
    let status = await command.main(arguments, environment: environment, terminal: heard.terminal)
    return (status.rawValue, heard)
}

@Suite struct DaemonCommandTests {
    @Test func `the version is one line`() async {
        let (status, heard) = await ask(["--version"])
        #expect(status == 0)
        #expect(heard.output == "tributary-agent 0.1.0\n")
    }

    @Test(arguments: [["--help"], ["-h"], ["help"], ["run", "--help"]])
    func `the help shows every key with its kind, its default and its group, in 80 columns`(
        arguments: [String]
    ) async {
        let (status, heard) = await ask(arguments)
        #expect(status == 0 && heard.error.isEmpty)
        let lines = heard.output.split(separator: "\n", omittingEmptySubsequences: false)
        for line in lines { #expect(line.count <= 80, "\(line)") }
        for key in Example.keys {
            let first = lines.first { $0.hasPrefix("  \(key.flag) ") }
            #expect(first != nil, "\(key.name)")
            if let value = key.defaultValue { #expect(heard.output.contains("Default: \(value).")) }
        }
        let titles = lines.filter { !$0.isEmpty && $0.allSatisfy(\.isUppercase) }
        #expect(titles == ["USAGE", "KEYS", "BROKER", "TLS", "LOG", "LIMITS"])
        #expect(
            heard.output.contains(
                "  --limits-retry DURATION\n      How long to wait before asking again. Default: 30s.\n"
            ))
        let backup =
            "  backup FILE   copy the data into a file, which takes as long as there is data,\n"
            + "                and says nothing before it is done\n"
        #expect(heard.output.contains(backup), "\(heard.output)")
    }

    @Test(arguments: [
        ([], "say what to do; tributary-agent --help lists the commands"),
        (["rum"], "\"rum\" is no command; did you mean run?"),
        (["backp", "x"], "\"backp\" is no command; did you mean backup?"),
        (["start"], "\"start\" is no command; the commands are run, config, backup"),
        (["config"], "config is followed by check or show"),
        (["config", "chek"], "config is followed by check or show"),
        (["backup"], "it is written backup FILE, and there are 0 words behind backup"),
        (["backup", "a", "b"], "it is written backup FILE, and there are 2 words behind backup"),
        (
            ["run", "--id", "a", "--data", "b", "--brokr", "c"],
            "command line: --brokr is not known; did you mean --broker?"
        ),
    ])
    func `a command that is written wrong is a usage error`(arguments: [String], sentence: String)
        async
    {
        let (status, heard) = await ask(arguments)
        #expect(status == 64)
        #expect(heard.error == "tributary-agent: \(sentence)\n")
    }

    @Test func `config check says that all is well, or all that is not`() async {
        let (status, heard) = await ask(["config", "check"] + Example.required)
        #expect(status == 0 && heard.output == "The configuration is sound.\n")
        let (bad, words) = await ask(["config", "check", "--id", "x", "--sync", "maybe"])
        #expect(bad == 78)
        #expect(
            words.error == """
                tributary-agent: data is missing: give it as --data, TRIBUTARY_DATA, or in a file with --config
                tributary-agent: --sync: sync must be true or false, not "maybe"

                """)
        let (together, more) = await ask(
            ["config", "check", "--broker-user", "u"] + Example.required)
        #expect(together == 78)
        #expect(more.error == "tributary-agent: broker.user is given without broker.password\n")
    }

    @Test func `config show prints each value and where it came from, and no secrets`() async throws
    {
        let file = try TemporaryFile("log:\n  level: debug\n")
        let (status, heard) = await ask(
            ["config", "show", "--config", file.path] + Example.required,
            ["TRIBUTARY_BROKER_PASSWORD": "hunter2"])
        #expect(status == 0)
        #expect(
            heard.output.replacing(file.path, with: "FILE") == """
                id               till-042  (--id)
                data             /var/lib/tributary  (--data)
                listen           127.0.0.1:7410  (default)
                sync             true  (default)
                broker           mqtt://127.0.0.1:1883  (default)
                broker.user      (none)
                broker.password  (secret)  (TRIBUTARY_BROKER_PASSWORD)
                tls.ca           (none)
                tls.certificate  (none)
                tls.key          (none)
                log.level        debug  (FILE:2)
                log.format       text  (default)
                limits.retry     30s  (default)
                limits.count     100  (default)
                limits.storage   (none)

                """)
    }

    @Test func `a run that ends well is status 0, and logs as it was told`() async {
        let result = await #expect(
            processExitsWith: .exitCode(0), observing: [\.standardErrorContent]
        ) {
            let status = await command.main(
                ["run", "--log-level", "debug", "--log-format", "json"] + Example.required,
                environment: [:])
            exit(status.rawValue)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(
            text.contains(
                #""level":"debug","logger":"tributary-agent","message":"ran","agent.id":"/var/lib/tributary"}"#
            ), "\(text)")
    }

    @Test func `a run that fails says why in one line, with status 1`() async {
        let result = await #expect(
            processExitsWith: .exitCode(1), observing: [\.standardErrorContent]
        ) {
            let status = await command.main(
                ["run", "--broker", "mqtt://fails"] + Example.required, environment: [:])
            exit(status.rawValue)
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(text.contains("tributary-agent: it failed\n"), "\(text)")
    }

    @Test func `a subcommand does without keys that it has no need of, and run does not`() async {
        let data = ["--data", "/var/lib/tributary"]
        let result = await #expect(processExitsWith: .exitCode(0)) {
            let status = await command.main(
                ["backup", "there.tar", "--data", "/var/lib/tributary"], environment: [:])
            exit(status.rawValue)
        }
        #expect(result != nil)
        let (status, heard) = await ask(["run"] + data)
        #expect(status == 78 || status == 64)
        #expect(heard.error.contains("id is missing"), "\(heard.error)")
    }

    @Test func `a subcommand gets its operands`() async {
        let result = await #expect(
            processExitsWith: .exitCode(0), observing: [\.standardOutputContent]
        ) {
            let status = await command.main(
                ["backup", "there.tar"] + Example.required, environment: [:])
            exit(status.rawValue)
        }
        let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
        #expect(text.contains("backed up into there.tar\n"), "\(text)")
    }
}
