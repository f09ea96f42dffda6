/// How to talk TLS to the broker: version 1.2 or later, always with the broker's certificate and
/// name verified. Paths are of PEM files, readable when a connection is made.
package struct MQTTTLSOptions: Sendable, Equatable {
    /// Who may sign the broker's certificate; `nil` is whom the operating system trusts.
    package let caFile: String?
    /// Our own certificate, where the broker asks for one, and its unencrypted key.
    package let certFile: String?
    package let keyFile: String?

    package init(caFile: String? = nil, certFile: String? = nil, keyFile: String? = nil) {
        self.caFile = caFile
        self.certFile = certFile
        self.keyFile = keyFile
    }
}

extension MQTTTLSOptions {
    func validate() throws(MQTTConfigurationError) {
        guard (certFile == nil) == (keyFile == nil) else {
            throw .tls("certFile and keyFile belong together: give both or neither")
        }
        // mosquitto_tls_set takes a certificate only together with a CA.
        guard certFile == nil || caFile != nil else {
            throw .tls("a client certificate needs a caFile")
        }
        for path in [caFile, certFile, keyFile] {
            guard let path else { continue }
            guard !path.isEmpty, !path.utf8.contains(0) else { throw .tls("a file path is empty") }
        }
    }
}
