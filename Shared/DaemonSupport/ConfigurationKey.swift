import Logging
import TextFormats

/// One thing that a daemon can be told: by flag, environment variable or file, all under the same
/// name.
package struct ConfigurationKey: Sendable, Hashable {
    /// What a value must be, so that a malformed one stops the start instead of hiding behind the
    /// default.
    package enum Kind: Sendable, Hashable {
        case text
        /// Of these words.
        case word([String])
        case integer(ClosedRange<Int>)
        /// From 0 to 1, as in `0.01`.
        case fraction
        /// `true` or `false`.
        case boolean
        /// A number with a unit, as in `30s` or `1h30m`.
        case duration(ClosedRange<Duration>)
        /// A number with a unit, as in `512MiB`.
        case bytes
        case address
        case path
        case url
    }

    /// In small letters, parts joined by dots: `log.level` is the flag `--log-level`, the variable
    /// `TRIBUTARY_LOG_LEVEL`, and `level` under `log` in a file.
    package let name: String
    package let kind: Kind
    /// Nil where there is none.
    package let defaultValue: String?
    /// Whether a daemon does not start without it.
    package let isRequired: Bool
    /// Whether `config show` keeps it to itself.
    package let isSecret: Bool
    package let help: String

    package init(
        _ name: String, _ kind: Kind, default defaultValue: String? = nil, isRequired: Bool = false,
        isSecret: Bool = false, help: String
    ) {
        self.name = name
        self.kind = kind
        self.defaultValue = defaultValue
        self.isRequired = isRequired
        self.isSecret = isSecret
        self.help = help
    }

    /// The same, for a command that does without it.
    var optional: ConfigurationKey {
        ConfigurationKey(name, kind, default: defaultValue, isSecret: isSecret, help: help)
    }

    package var flag: String { "--" + name.replacing(".", with: "-") }
    package var variable: String { "TRIBUTARY_" + name.replacing(".", with: "_").uppercased() }

    /// What stands for the value in the help.
    var placeholder: String {
        switch kind {
        case .text: "TEXT"
        case .word(let words): words.joined(separator: "|")
        case .integer: "N"
        case .fraction: "0…1"
        case .boolean: "true|false"
        case .duration: "DURATION"
        case .bytes: "BYTES"
        case .address: "HOST:PORT|unix:PATH"
        case .path: "PATH"
        case .url: "URL"
        }
    }

    /// What is wrong with a value: a predicate, or nil where nothing is. A secret's value is not
    /// said.
    func flaw(in value: String) -> String? {
        guard let expected = expectation(of: value) else { return nil }
        return isSecret || value.isEmpty ? expected : "\(expected), not \(value.shown)"
    }

    /// What a value must be, where it is something else.
    private func expectation(of value: String) -> String? {
        guard !value.isEmpty else { return "must not be empty" }
        guard !value.utf8.contains(0) else { return "must not have a NUL in it" }
        switch kind {
        case .text, .path: return nil
        case .url: return Self.isURL(value) ? nil : "must be a URL, as in mqtt://127.0.0.1:1883"
        case .word(let words):
            return words.contains(value) ? nil : "must be one of \(words.joined(separator: ", "))"
        case .boolean: return value == "true" || value == "false" ? nil : "must be true or false"
        case .integer(let range):
            let isIn = Int(value).map(range.contains) ?? false
            return isIn
                ? nil : "must be a whole number from \(range.lowerBound) to \(range.upperBound)"
        case .fraction:
            let isIn = Double(value).map { (0...1).contains($0) } ?? false
            return isIn ? nil : "must be a number from 0 to 1"
        case .duration(let range):
            let isIn = DurationText.duration(value).map(range.contains) ?? false
            let (least, most) = (range.lowerBound, range.upperBound)
            return isIn
                ? nil
                : "must be a duration from \(DurationText.text(least)) to \(DurationText.text(most)), with its unit"
        case .bytes:
            return ByteCountText.bytes(value) == nil
                ? "must be a number of bytes such as 1048576 or 512MiB" : nil
        case .address:
            do throws(ListenAddress.ParseError) {
                _ = try ListenAddress(value)
                return nil
            } catch {
                return error.description
            }
        }
    }

    /// A scheme and something behind it; whoever uses the URL knows the rest.
    private static func isURL(_ value: String) -> Bool {
        guard let separator = value.firstRange(of: "://") else { return false }
        let scheme = value[..<separator.lowerBound]
        return scheme.first?.isLetter == true && separator.upperBound < value.endIndex
            && !value.utf8.contains { $0 <= 0x20 }
    }
}

/// Keys that mean the same for both daemons.
extension ConfigurationKey {
    package static let data = ConfigurationKey(
        "data", .path, isRequired: true, help: "The data folder; made where it is missing.")

    package static let broker = ConfigurationKey(
        "broker", .url, default: "mqtt://127.0.0.1:1883",
        help: "The MQTT broker, as mqtt://HOST:PORT or mqtts://HOST:PORT.")

    package static let brokerUser = ConfigurationKey(
        "broker.user", .text, help: "The user name for the broker.")

    package static let brokerPassword = ConfigurationKey(
        "broker.password", .text, isSecret: true,
        help:
            "The password for the broker. Better in the environment or a file: command lines are seen by others."
    )

    package static let tlsCA = ConfigurationKey(
        "tls.ca", .path,
        help: "PEM file of the authorities that may vouch for the broker; else the system's.")
    package static let tlsCertificate = ConfigurationKey(
        "tls.certificate", .path, help: "PEM file of the certificate shown to the broker.")
    package static let tlsKey = ConfigurationKey(
        "tls.key", .path, help: "PEM file of that certificate's key.")

    package static let ledger = ConfigurationKey(
        "ledger", .text, default: "main",
        help: "The ledger's name; agents and aggregator of one ledger have the same.")

    package static let logLevel = ConfigurationKey(
        "log.level", .word(Logger.Level.allCases.map(\.rawValue)), default: "info",
        help: "The least level that is logged, to standard error.")

    package static let logFormat = ConfigurationKey(
        "log.format", .word(["text", "json"]), default: "text", help: "How log lines look.")

    /// All keys of the broker's connection.
    package static let brokerKeys = [
        broker, brokerUser, brokerPassword, tlsCA, tlsCertificate, tlsKey,
    ]
}
