import Foundation
import MQTTTransport
import Testing

extension RealTests {
    /// Against Mosquitto with TLS, with certificates made on the spot.
    @Suite(.serialized) struct TLSTests {
        static let certificateScript = """
            openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.crt -days 2 -subj /CN=ca
            openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.crt -days 2 -subj /CN=other
            openssl req -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj /CN=localhost
            printf 'subjectAltName=DNS:localhost' > san
            openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile san -out server.crt
            """

        /// A folder with a CA, a server certificate for "localhost", and a CA that has nothing to
        /// do with it; `nil` where there is no openssl.
        static func certificates() throws -> URL? {
            guard TestBroker.find("openssl") != nil else {
                print("skipped: openssl is not installed")
                return nil
            }
            let folder = try TestBroker.temporaryFolder()
            let process = Process()
            process.executableURL = URL(filePath: "/bin/sh")
            process.arguments = ["-ec", certificateScript]
            process.currentDirectoryURL = folder
            process.standardError = FileHandle.nullDevice
            try process.run()
            process.waitUntilExit()
            try #require(process.terminationStatus == 0, "openssl could not make certificates")
            return folder
        }

        static func broker(_ folder: URL) throws -> TestBroker {
            try .mosquitto(extra: [
                "cafile \(folder.path)/ca.crt", "certfile \(folder.path)/server.crt",
                "keyfile \(folder.path)/server.key",
            ])
        }

        static func configuration(
            _ port: UInt16, host: String = "localhost", ca: String, subscriptions: [String] = []
        ) throws -> MQTTConfiguration {
            try MQTTConfiguration(
                url: "mqtts://\(host):\(port)", clientID: "c", tls: MQTTTLSOptions(caFile: ca),
                subscriptions: subscriptions, limits: .impatient)
        }

        @Test func `over TLS, bursts of all sizes arrive whole, without waiting for the next`()
            throws
        {
            guard let folder = try Self.certificates() else { return }
            defer { try? FileManager.default.removeItem(at: folder) }
            let broker = try Self.broker(folder)
            let client = try TestClient.connected(
                Self.configuration(broker.port, ca: "\(folder.path)/ca.crt", subscriptions: ["t"]))
            var expected: [Int] = []
            for round in 0..<20 {
                let sizes = (0..<64).map { ($0 * 131 + round * 977) % 20_000 }
                for size in sizes {
                    let message = MQTTMessage(
                        topic: "t", payload: [UInt8](repeating: 5, count: size))
                    #expect(client.connection.publish(message).delivery != nil)
                }
                expected += sizes
                try client.events.wait(until: "round \(round) arrived") { events in
                    events.count == 1 + 2 * expected.count
                }
            }
            #expect(client.events.now.compactMap(\.message).map(\.payload.count) == expected)
            client.connection.stop()
        }

        @Test func `a broker signed by someone else, and one with another name, are refused`()
            throws
        {
            guard let folder = try Self.certificates() else { return }
            defer { try? FileManager.default.removeItem(at: folder) }
            let broker = try Self.broker(folder)
            let stranger = TestClient.started(
                try Self.configuration(broker.port, ca: "\(folder.path)/other.crt"))
            #expect(
                try stranger.waitForFailure().description == "TLS failed: certificate verify failed"
            )
            stranger.connection.stop()
            let misnamed = TestClient.started(
                try Self.configuration(broker.port, host: "127.0.0.1", ca: "\(folder.path)/ca.crt"))
            guard case .tls = try misnamed.waitForFailure() else {
                Issue.record("\(misnamed.events.now)")
                return
            }
            misnamed.connection.stop()
        }

        @Test func `a CA file that is not there is told by its path`() throws {
            let client = TestClient.started(try Self.configuration(1, ca: "/nowhere/ca.crt"))
            #expect(
                try client.waitForFailure().description
                    == "TLS failed: cannot read /nowhere/ca.crt: no such file or directory")
            client.connection.stop()
        }
    }
}
