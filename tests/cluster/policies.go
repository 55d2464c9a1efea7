package main

import (
	"github.com/spf13/cobra"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

// policiesCommand is SIG network's reference enforcer of NetworkPolicies. Its own command looks for the API server where
// pods find it, and it is none.
func policiesCommand() *cobra.Command {
	var kubeconfig string
	var settings networkpolicy.Config
	command := &cobra.Command{
		Use:   "kube-network-policies",
		Short: "Judges the first packet of every connection that reaches its queue",
		RunE: func(command *cobra.Command, _ []string) error {
			config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
			if err != nil {
				return err
			}
			client, err := kubernetes.NewForConfig(config)
			if err != nil {
				return err
			}
			watched := informers.NewSharedInformerFactory(client, 0)
			policies, core := watched.Networking().V1().NetworkPolicies(), watched.Core().V1()
			controller, err := networkpolicy.NewController(
				client, policies, core.Namespaces(), core.Pods(), nil, nil, nil, nil, settings)
			if err != nil {
				return err
			}
			watched.Start(command.Context().Done())
			return controller.Run(command.Context())
		},
	}
	command.Flags().StringVar(&kubeconfig, "kubeconfig", "", "where the API server is")
	command.Flags().StringVar(&settings.NodeName, "hostname-override", "", "the node's name")
	command.Flags().IntVar(&settings.QueueID, "nfqueue-id", 100, "the number of the queue")
	return command
}
