// An S3 server for tests: SeaweedFS' own commands, without those that no test asks for by name.
package main

import (
	"fmt"
	"os"

	"github.com/seaweedfs/seaweedfs/weed/command"
)

func main() {
	if len(os.Args) > 1 {
		for _, each := range command.Commands {
			if each.Name() == os.Args[1] {
				each.Flag.Parse(os.Args[2:])
				each.Run(each, each.Flag.Args())
				return
			}
		}
	}
	fmt.Fprintln(os.Stderr, "the first argument is a command of SeaweedFS")
	os.Exit(2)
}
