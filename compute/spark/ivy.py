"""Fetching the pinned jars by the Ivy that pyspark ships, which knows where they are published."""

import re
import shutil
import ssl
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from cryptography.utils import CryptographyDeprecationWarning

from compute.spark import java
from compute.spark.jars import Jar, jar_folder, verify

RETRIEVE_PATTERN = "[artifact]-[revision](-[classifier]).[ext]"
TRUST_STORE_PASSWORD = "changeit"
"""Java's customary one: a trust store holds nothing secret, but Java reads none without a password."""

_MAVEN = "http://ant.apache.org/ivy/maven"
_FETCHED = re.compile(r"\[SUCCESSFUL \]")


class JarError(Exception):
    """The pinned jars are not to be had, or are not what the list says."""


def fetch_jars(cache: Path, jars: tuple[Jar, ...], fetched: Callable[[], None]) -> Path:
    """Fetches the jars into their folder and returns it; calls `fetched` after each. The caller holds the cache's lock.

    Nothing appears under the folder's name unless every sum is right. Raises JarError.
    """
    target = jar_folder(cache, jars)
    with tempfile.TemporaryDirectory(prefix=".jars-", dir=cache) as name:
        work = Path(name)
        _retrieve(work, jars, fetched)
        if problems := verify(work / "jars", jars):
            raise JarError("; ".join(problems))
        if target.exists():
            shutil.rmtree(target)
        (work / "jars").rename(target)
    return target


def _retrieve(work: Path, jars: tuple[Jar, ...], fetched: Callable[[], None]) -> None:
    (work / "ivy.xml").write_bytes(module_descriptor(jars))
    ivy = next(java.pyspark_jars().glob("ivy-*.jar"))
    command: list[str | Path] = [java.JAVA, *write_trust_store(work / "authorities.p12"), "-jar", ivy]
    command += ["-cache", work / "ivy", "-ivy", work / "ivy.xml", "-retrieve", f"{work}/jars/{RETRIEVE_PATTERN}"]
    lines = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if _FETCHED.search(line):
                fetched()
    if process.returncode != 0:
        raise JarError("the jars could not be fetched:\n" + "".join(lines[-20:]))


def module_descriptor(jars: tuple[Jar, ...]) -> bytes:
    """Ivy's module file: each jar by itself, nothing that it depends on."""
    ElementTree.register_namespace("m", _MAVEN)
    module = ElementTree.Element("ivy-module", version="2.0")
    ElementTree.SubElement(module, "info", organisation="lakegate", module="spark")
    dependencies = ElementTree.SubElement(module, "dependencies")
    for jar in jars:
        dependency = ElementTree.SubElement(
            dependencies, "dependency", org=jar.organisation, name=jar.name, rev=jar.revision, transitive="false"
        )
        artifact = ElementTree.SubElement(dependency, "artifact", name=jar.name, type="jar", ext="jar")
        if jar.classifier:
            artifact.set(f"{{{_MAVEN}}}classifier", jar.classifier)
    return ElementTree.tostring(module)


def write_trust_store(path: Path) -> tuple[str, ...]:
    """Writes the system's CA certificates as a Java trust store; returns the flags that make Java use it.

    The wheel's own store knows no private CA, which a company's mirror of a repository may need. Raises OSError.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # old roots with odd serial numbers
        certificates = x509.load_pem_x509_certificates(_system_authorities())
    entries = [pkcs12.PKCS12Certificate(certificate, None) for certificate in certificates]
    encryption = BestAvailableEncryption(TRUST_STORE_PASSWORD.encode())
    path.write_bytes(pkcs12.serialize_java_truststore(entries, encryption))
    return f"-Djavax.net.ssl.trustStore={path}", f"-Djavax.net.ssl.trustStorePassword={TRUST_STORE_PASSWORD}"


def _system_authorities() -> bytes:
    """The PEM bundle that OpenSSL would use, ``SSL_CERT_FILE`` included."""
    paths = ssl.get_default_verify_paths()
    bundle = Path(paths.cafile) if paths.cafile else Path(paths.capath or "/etc/ssl/certs") / "ca-certificates.crt"
    return bundle.read_bytes()
