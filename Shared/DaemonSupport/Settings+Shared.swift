import MQTTTransport
import TextFormats

extension Settings {
    /// Looks closer at some values than their kinds can, all of them, and says all that is wrong.
    ///
    /// - Parameter looks: each with its key; what it throws is said behind the key and its place.
    /// - Throws: `ConfigurationProblems`
    package func check(_ looks: [(key: ConfigurationKey, look: (String) throws -> Void)]) throws {
        let problems = looks.compactMap { key, look -> String? in
            guard let entry = entries.first(where: { $0.key == key }) else { return nil }
            do {
                try look(entry.value)
                return nil
            } catch {
                return "\(entry.origin): \(key.name): \(error)"
            }
        }
        guard problems.isEmpty else { throw ConfigurationProblems(sentences: problems) }
    }

    /// Where to listen: without authentication only what this machine alone can reach.
    ///
    /// - Throws: `ListenAddress.ParseError`, `NotLoopback`
    package func loopbackAddress(_ key: ConfigurationKey) throws -> ListenAddress {
        let address = try ListenAddress(required(key))
        guard address.isLoopback else { throw NotLoopback(address: address) }
        return address
    }

    /// The files of a TLS connection to the broker, if any is named.
    package var brokerTLS: MQTTTLSOptions? {
        let files = [self[.tlsCA], self[.tlsCertificate], self[.tlsKey]]
        guard files.contains(where: { $0 != nil }) else { return nil }
        return MQTTTLSOptions(caFile: files[0], certFile: files[1], keyFile: files[2])
    }

    /// Checks the broker's address, and that its TLS files go together.
    ///
    /// - Throws: `MQTTConfigurationError`
    package func checkBroker(_ url: String) throws {
        _ = try MQTTConfiguration(url: url, clientID: "check", tls: brokerTLS)
    }
}

/// An address that other machines can reach, while there is no authentication.
package struct NotLoopback: Error, CustomStringConvertible {
    package let address: ListenAddress

    package var description: String {
        "\(address) can be reached from other machines, and there is no authentication yet: "
            + "use 127.0.0.1, [::1] or unix:PATH"
    }
}
