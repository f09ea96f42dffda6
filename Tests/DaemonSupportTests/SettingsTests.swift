import DaemonSupport
import Testing

@Suite struct SettingsTests {
    @Test
    func
        `the command line wins over the environment, that over the file, and that over the default`()
        async throws
    {
        let file = try TemporaryFile(
            """
            id: file
            data: /file
            log:
              level: debug
              format: json
            limits: {retry: 5s}
            """)
        let settings = try await Settings(
            keys: Example.keys,
            arguments: ["--id=flag", "--config", file.path, "--limits.count", "7"],
            environment: [
                "TRIBUTARY_ID": "variable", "TRIBUTARY_LOG_LEVEL": "trace", "PATH": "/bin",
            ])
        let lines = settings.entries.map {
            "\($0.key.name) \($0.value) \($0.origin.replacing(file.path, with: "FILE"))"
        }
        #expect(
            lines == [
                "id flag --id", "data /file FILE:2", "listen 127.0.0.1:7410 default",
                "sync true default",
                "broker mqtt://127.0.0.1:1883 default", "log.level trace TRIBUTARY_LOG_LEVEL",
                "log.format json FILE:5",
                "limits.retry 5s FILE:6", "limits.count 7 --limits-count",
            ])
    }

    @Test func `the exact command line of the documentation is taken`() async throws {
        let arguments = [
            "--id", "till-042", "--data", "DIR", "--broker", "mqtt://127.0.0.1:1883", "--listen",
            "127.0.0.1:7410",
        ]
        #expect(await problems(arguments) == [])
        #expect(await problems(arguments + ["--log.level", "debug", "--log-format=json"]) == [])
    }

    @Test func `a file may be named by a variable`() async throws {
        let file = try TemporaryFile("id: a\ndata: b\n")
        #expect(await problems([], ["TRIBUTARY_CONFIG": file.path]) == [])
    }

    @Test(arguments: [
        (
            ["--id", "x"],
            ["data is missing: give it as --data, TRIBUTARY_DATA, or in a file with --config"]
        ),
        (
            Example.required + ["--brokr", "x"],
            ["command line: --brokr is not known; did you mean --broker?"]
        ),
        (
            Example.required + ["--log.levle=debug"],
            ["command line: --log.levle is not known; did you mean --log-level?"]
        ),
        (Example.required + ["--zzzzzzzzzzzz"], ["command line: --zzzzzzzzzzzz is not known"]),
        (Example.required + ["--broker"], ["command line: --broker needs a value: --broker URL"]),
        (
            ["--data", "--id", "x"],
            [
                "command line: --data needs a value: --data PATH",
                "data is missing: give it as --data, TRIBUTARY_DATA, or in a file with --config",
            ]
        ),
        (Example.required + ["--id", "y"], ["command line: --id stands twice"]),
        (
            Example.required + ["extra"],
            ["command line: \"extra\" is not expected here; every value follows its flag"]
        ),
        (
            Example.required + ["-v"],
            ["command line: \"-v\" is not expected here; every value follows its flag"]
        ),
        (
            Example.required + ["--log-level", "loud"],
            [
                "--log-level: log.level must be one of trace, debug, info, notice, warning, error, critical, not \"loud\""
            ]
        ),
        (
            Example.required + ["--limits-count", "0"],
            ["--limits-count: limits.count must be a whole number from 1 to 1000, not \"0\""]
        ),
        (
            Example.required + ["--limits-count", "ten"],
            ["--limits-count: limits.count must be a whole number from 1 to 1000, not \"ten\""]
        ),
        (
            Example.required + ["--limits-retry", "30"],
            [
                "--limits-retry: limits.retry must be a duration from 1s to 1h, with its unit, not \"30\""
            ]
        ),
        (
            Example.required + ["--limits-retry", "2h"],
            [
                "--limits-retry: limits.retry must be a duration from 1s to 1h, with its unit, not \"2h\""
            ]
        ),
        (
            Example.required + ["--limits-storage", "1 GB"],
            [
                "--limits-storage: limits.storage must be a number of bytes such as 1048576 or 512MiB, not \"1 GB\""
            ]
        ),
        (
            Example.required + ["--sync", "yes"],
            ["--sync: sync must be true or false, not \"yes\""]
        ),
        (
            Example.required + ["--listen", "7410"],
            ["--listen: listen has no port; write host:port, as in 127.0.0.1:7410, not \"7410\""]
        ),
        (
            Example.required + ["--broker", "localhost"],
            ["--broker: broker must be a URL, as in mqtt://127.0.0.1:1883, not \"localhost\""]
        ),
        (["--id=", "--data", "x"], ["--id: id must not be empty"]),
    ])
    func `a command line that is wrong is refused in so many words`(
        arguments: [String], expected: [String]
    ) async {
        #expect(await problems(arguments) == expected)
    }

    @Test func `variables are checked as flags are, and those of others are left alone`() async {
        let environment = [
            "TRIBUTARY_LOG_LEVEL": "loud", "TRIBUTARY_BROKR": "x", "TRIBUTARY_": "x",
            "HOME": "/root", "tributary_id": "x",
        ]
        #expect(
            await problems(Example.required, environment) == [
                "environment: TRIBUTARY_ is not known; did you mean TRIBUTARY_ID?",
                "environment: TRIBUTARY_BROKR is not known; did you mean TRIBUTARY_BROKER?",
                "TRIBUTARY_LOG_LEVEL: log.level must be one of trace, debug, info, notice, warning, error, critical, not \"loud\"",
            ])
    }

    @Test(arguments: [
        ("brokr: x\n", ["FILE:1: brokr is not known; did you mean broker?"]),
        (
            "# first\nlog:\n  levle: debug\n",
            ["FILE:3: log.levle is not known; did you mean log.level?"]
        ),
        ("log: debug\n", ["FILE:1: a list of names and values is expected here"]),
        (
            "log:\n  level: loud\n",
            [
                "FILE:2: log.level must be one of trace, debug, info, notice, warning, error, critical, not \"loud\""
            ]
        ),
        (
            "limits:\n  count: 2000\n",
            ["FILE:2: limits.count must be a whole number from 1 to 1000, not \"2000\""]
        ),
        (
            "limits:\n  count: 0x10\n",
            ["FILE:2: limits.count must be a whole number from 1 to 1000, not \"0x10\""]
        ),
        ("broker: [a, b]\n", ["FILE:1: broker takes one value"]),
        ("broker: {a: b}\n", ["FILE:1: broker takes one value"]),
        ("broker:\n", ["FILE:1: broker must not be empty"]),
        ("sync: yes\n", ["FILE:1: sync must be true or false, not \"yes\""]),
        // The line is that of the list in which the name stands.
        ("sync: false\nsync: true\n", ["FILE:1: sync stands twice"]),
        ("- a\n- b\n", ["FILE:1: a list of names and values is expected here"]),
        ("just words\n", ["FILE:1: a list of names and values is expected here"]),
        ("config: other.yaml\n", ["FILE:1: config is not known"]),
        ("a: b: c\n", ["FILE:1: is not YAML: mapping values are not allowed in this context"]),
    ])
    func `a file that is wrong is refused with its line`(text: String, expected: [String])
        async throws
    {
        let file = try TemporaryFile(text)
        let found = await problems(Example.required + ["--config", file.path])
        #expect(found.map { $0.replacing(file.path, with: "FILE") } == expected)
    }

    @Test(arguments: [
        (
            "id: till-042\ndata: /d\nlimts:\n  storage: 1MiB\n",
            ["FILE:3: limts is not known; did you mean limits?"]
        ),
        (
            "id: till-042\ndata: /d\nlimts: 1MiB\n",
            ["FILE:3: limts is not known"]
        ),
        (
            "id: till-042\nbrokr: x\n",
            [
                "FILE:2: brokr is not known; did you mean broker?",
                "data is missing: give it as --data, TRIBUTARY_DATA, or in a file with --config",
            ]
        ),
        ("id: till-042\ndata: [a]\n", ["FILE:2: data takes one value"]),
        (
            "id: till-042\n  data: b: c\n",
            ["FILE:2: is not YAML: mapping values are not allowed in this context"]
        ),
        ("data: /d\ndata: /d\n", ["FILE:1: data stands twice"]),
    ])
    func `what a flawed file has is not said to be missing`(text: String, expected: [String])
        async throws
    {
        let file = try TemporaryFile(text)
        let found = await problems(["--config", file.path])
        #expect(found.map { $0.replacing(file.path, with: "FILE") } == expected)
    }

    @Test(arguments: ["", "\n", "# nothing\n", "---\n", "{}\n"])
    func `an empty file says nothing`(text: String) async throws {
        let file = try TemporaryFile(text)
        #expect(await problems(Example.required + ["--config", file.path]) == [])
    }

    @Test func `a file that cannot be read is refused`() async throws {
        #expect(
            await problems(Example.required + ["--config", "/no/such.yaml"])
                == ["/no/such.yaml: cannot be read: No such file or directory"])
        #expect(
            await problems(Example.required + ["--config", "/"]) == [
                "/: cannot be read: Is a directory"
            ])
        let large = try TemporaryFile(String(repeating: "# ", count: 600_000))
        #expect(
            await problems(Example.required + ["--config", large.path]) == [
                "\(large.path): is larger than 1048576 bytes"
            ])
    }

    @Test func `numbers of a file are read as they are written`() async throws {
        let file = try TemporaryFile(
            "id: 0042\ndata: 1e3\nlimits:\n  storage: 1048576\n  count: 10\n")
        let settings = try await Settings(
            keys: Example.keys, arguments: ["--config", file.path], environment: [:])
        #expect(settings[Example.keys[0]] == "0042")
        #expect(settings[.data] == "1e3")
        #expect(settings[Example.storage] == "1048576")
    }

    @Test func `all that is wrong is said at once`() async throws {
        let file = try TemporaryFile("brokr: x\n")
        let found = await problems(
            ["--zz", "1", "--log-level", "loud", "--config", file.path], ["TRIBUTARY_X": ""])
        #expect(found.count == 6, "\(found)")
    }

    @Test func `a secret is not repeated in a refusal`() async {
        let found = await problems(Example.required + ["--broker-password", "a\0b"])
        #expect(found == ["--broker-password: broker.password must not have a NUL in it"])
    }

    @Test func `only what others cannot reach is taken without authentication`() async throws {
        for (address, isTaken) in [
            ("127.0.0.1:1", true), ("unix:/x", true), ("0.0.0.0:1", false), ("10.0.0.1:1", false),
        ] {
            let settings = try await Settings(
                keys: Example.keys, arguments: Example.required + ["--listen", address],
                environment: [:])
            if isTaken {
                #expect(throws: Never.self) { try settings.loopbackAddress(Example.listen) }
            } else {
                let refusal = #expect(throws: NotLoopback.self) {
                    try settings.loopbackAddress(Example.listen)
                }
                #expect(
                    refusal?.description
                        == "\(address) can be reached from other machines, and there is no "
                        + "authentication yet: use 127.0.0.1, [::1] or unix:PATH")
            }
        }
    }
}
