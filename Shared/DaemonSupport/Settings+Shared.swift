import TextFormats

extension Settings {
    /// Where to listen: without authentication only what this machine alone can reach.
    ///
    /// - Throws: `ConfigurationProblems`
    package func loopbackAddress(_ key: ConfigurationKey) throws -> ListenAddress {
        let address = try ListenAddress(required(key))
        guard address.isLoopback else {
            throw ConfigurationProblems(sentences: [
                "\(key.name) is \(address), which other machines can reach, and there is no authentication yet: "
                    + "use 127.0.0.1, [::1] or unix:PATH"
            ])
        }
        return address
    }

    /// The files of a TLS connection, if any is named.
    package var tlsFiles: (ca: String?, certificate: String?, key: String?)? {
        let files = (ca: self[.tlsCA], certificate: self[.tlsCertificate], key: self[.tlsKey])
        return files.ca == nil && files.certificate == nil && files.key == nil ? nil : files
    }
}
